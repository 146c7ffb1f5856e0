"""Results that were written down, read back: rows of equal compute, and full trainings in reports of ``fer-eval``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_live.errors import DataError
from fer_live.files import system_errors_as

from .equal_compute import FORMAT
from .figures import Figures, figures_of

__all__ = ["EqualRow", "FullRun", "read_results"]


@dataclass(frozen=True, slots=True)
class EqualRow:
    """A recipe under equal compute. ``splits``: figures by split, none where the loss ran away before its first epoch.

    ``passes``: over the training images. ``seen``: the share of them, 0..1, that came up at all. ``cpu_s_per_pass``:
    None where it took none. ``machine``: what it ran on, one line.
    """

    recipe: str
    splits: Mapping[str, Figures]
    core_minutes: float
    cpu_s: float
    cpu_s_per_pass: float | None
    passes: float
    seen: float
    parameters: int
    macs: int
    start: str
    precision: str
    seed: int
    ran_away: str | None
    machine: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EqualRow:
        """Read what ``fer-equal-compute`` wrote; KeyError, TypeError or ValueError where it is something else."""
        splits = {name: figures_of(split["confusion"]) for name, split in (value["splits"] or {}).items()}
        return cls(
            recipe=str(value["recipe"]),
            splits=splits,
            core_minutes=float(value["core_minutes"]),
            cpu_s=float(value["cpu_s"]),
            cpu_s_per_pass=value["cpu_s_per_pass"],
            passes=float(value["passes"]),
            seen=value["training_images_seen"] / value["training_images"],
            parameters=int(value["parameters"]),
            macs=int(value["macs"]),
            start=str(value["start"]),
            precision=str(value["precision"]),
            seed=int(value["seed"]),
            ran_away=value["ran_away"],
            machine=_machine(value["environment"]),
        )


@dataclass(frozen=True, slots=True)
class FullRun:
    """A training evaluated by ``fer-eval``.

    ``epochs``: of its schedule. ``s_per_epoch``: None where it wasn't kept. ``start``: "random", "ImageNet" or whose
    weights it began with. ``file``: the model's. ``options``: of the training, by name.
    ``arguments``: of the network, by name.
    """

    recipe: str
    splits: Mapping[str, Figures]
    view: str
    runtime: str
    epochs: int
    epoch_share: float
    best_epoch: int
    s_per_epoch: float | None
    start: str
    seed: int
    machine: str
    file: str
    options: Mapping[str, Any]
    arguments: Mapping[str, Any]

    @classmethod
    def from_json(cls, model: Mapping[str, Any], view: str) -> FullRun | None:
        """One model of a report; None where it doesn't say what training it comes from. Errors as of the above."""
        provenance = model["provenance"]
        provenance = provenance.get("training", provenance)  # an exported model says how it was exported beside
        if "train" not in provenance:
            return None
        train, epoch = provenance["train"], provenance["epoch"]
        done = int(epoch["epoch"]) + 1
        splits = {**({"train": model["training"]} if model.get("training") else {}), **model["splits"]}
        return cls(
            recipe=str(provenance["recipe"]),
            splits={name: figures_of(split["fer2013"]["confusion"]) for name, split in splits.items()},
            view=view,
            runtime=str(model["runtime"]),
            epochs=int(train["epochs"]),
            epoch_share=float(train.get("epoch_share", 1.0)),
            best_epoch=done,
            s_per_epoch=epoch["elapsed_s"] / done if "elapsed_s" in epoch else None,
            start=_start(provenance),
            seed=int(train["seed"]),
            machine=_machine(provenance),
            file=str(model["file"]),
            options={"optimizer": "sgd", **train},  # the first trainings do not name it: there was no other
            arguments=provenance["model"]["arguments"],
        )


def _start(provenance: Mapping[str, Any]) -> str:
    if "start" in provenance:
        return f"the weights {str(provenance['start'])[:8]} of an earlier run"
    return "ImageNet" if provenance["train"].get("init") == "imagenet" else "random"


def read_results(folders: Sequence[Path]) -> tuple[list[EqualRow], list[FullRun]]:
    """Everything that the folders and those in them hold: ``*.json`` of ``fer-equal-compute``, ``report.json``.

    Raises:
        DataError: a folder isn't there or holds neither, or a file is broken.
    """
    rows: list[EqualRow] = []
    runs: list[FullRun] = []
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give folders of fer-equal-compute or fer-eval --out")
        found = 0
        for path in sorted(folder.rglob("*.json")):
            with system_errors_as(DataError, path):
                text = path.read_text(encoding="utf-8", errors="replace")
            try:
                value = json.loads(text)
                if isinstance(value, dict) and value.get("format") == FORMAT:
                    rows.append(EqualRow.from_json(value))
                    found += 1
                elif path.name == "report.json":
                    models = [FullRun.from_json(model, str(value["view"])) for model in value["models"]]
                    runs += [model for model in models if model is not None]
                    found += 1
            except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
                raise DataError(f"{path}: broken, or of another version ({type(error).__name__}: {error})") from error
        if not found:
            raise DataError(f"{folder}: no rows of fer-equal-compute and no report.json of fer-eval in it")
    return rows, runs


def _machine(environment: Mapping[str, Any]) -> str:
    """What computed, one line: processor, system, threads, torch."""
    parts = [environment.get("device"), environment.get("cpu"), environment.get("machine")]
    if environment.get("threads"):
        parts.append(f"{environment['threads']} threads")
    parts.append(f"torch {environment['torch']}")
    return ", ".join(str(part) for part in parts if part)
