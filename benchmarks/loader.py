"""How fast batches are made, against how fast a network trains on them: the loader must not be the bottleneck.

    python benchmarks/loader.py --data fer2013.npz [--recipe residual flagship athan_7] [--seconds 5]

Images a second, medians of interleaved rounds, all cores: of batches as they are, of batches with the recipe's
augmentation and mixing, and of whole training steps on batches that were made before. The last column is what making
batches takes of the time of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn import functional

from fer_live.machine import measured_on
from fer_live.training.augmentation.batches import Batch, Batches
from fer_live.training.data.fer2013 import Fer2013, load_fer2013
from fer_live.training.device import choose_bf16, choose_device
from fer_live.training.evaluation.logits import normalise
from fer_live.training.recipes.recipe import Recipe, build_model
from fer_live.training.recipes.registry import RECIPES
from fer_live.training.run.optimise import make_optimizer

PLAIN: dict[str, Any] = {
    **dict.fromkeys(("mixup", "mixup_share", "cutmix", "erasing", "degrade_share", "brightness", "contrast"), 0.0),
    **dict.fromkeys(("shift_px", "rotation_deg", "scale", "shear_deg", "perspective_px", "blur_px", "noise"), 0.0),
    "cutout_px": 0,
    "mirror": False,
}


def endless(batches: Batches) -> Iterator[Batch]:
    """The first epoch again and again: the last ones have less augmentation."""
    while True:
        yield from batches.epoch(0)


class Trainer:
    """Steps of a recipe's network on batches that were made before."""

    def __init__(self, recipe: Recipe, made: list[Batch], device: torch.device) -> None:
        self._contract, self._device, self._bf16 = recipe.contract(), device, choose_bf16("auto", device)
        self._network = build_model(recipe.model, self._contract).to(device).to(memory_format=torch.channels_last)
        self._optimizer = make_optimizer(self._network, recipe.train)
        self._made = cycle(made)

    def step(self) -> int:
        """Take one; how many images it had."""
        batch = next(self._made)
        x = normalise(batch.faces, self._contract).to(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits = self._network(x)[0]
        loss = functional.cross_entropy(logits.float(), batch.rows % logits.shape[1])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return len(batch.rows)


def images_a_second(take: Callable[[], int], seconds: float, device: torch.device) -> float:
    images, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        images += take()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return images / (time.perf_counter() - start)


def row(recipe: Recipe, dataset: Fer2013, seconds: float, rounds: int) -> str:
    device = choose_device("auto")
    rows = dataset.training_rows(recipe.train.cleaning)
    plain = endless(Batches(dataset, rows, replace(recipe.train, **PLAIN), device))
    augmented = endless(Batches(dataset, rows, recipe.train, device))
    trainer = Trainer(recipe, list(islice(augmented, 4)), device)
    takes = (lambda: len(next(plain).rows), lambda: len(next(augmented).rows), trainer.step)
    for take in takes:
        take()
    speeds = [[images_a_second(take, seconds, device) for take in takes] for _ in range(rounds)]
    bare, made, trained = (median(column) for column in zip(*speeds, strict=True))
    share = (1 / made) / (1 / made + 1 / trained)
    return f"| {recipe.name} | {recipe.train.batch_size} | {bare:,.0f} | {made:,.0f} | {trained:,.0f} | {share:.1%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", nargs="+", choices=sorted(RECIPES), default=["residual", "flagship", "athan_7"])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    dataset = load_fer2013(wanted.data)
    print(measured_on(("torch",)), f"{torch.get_num_threads()} threads, n = {wanted.rounds}", sep="; ", end="\n\n")
    print("| recipe | batch | batches as they are | augmented | training steps | share of the loader |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in wanted.recipe:
        print(row(RECIPES[name], dataset, wanted.seconds, wanted.rounds), flush=True)


if __name__ == "__main__":
    main()
