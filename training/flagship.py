"""The flagship's training in pieces: ``python -m fer_live.training.flagship``.

Stages, each resumable: ``teachers`` trains a teacher for each fold and writes what they say of the images that they
have not seen; ``student`` trains the flagship from them; ``evaluate`` measures it on PublicTest. The folder gets

    teachers/             run folders of the teachers
    teacher_logits.npz    what they say, by image hash: about 1 MB, enough to train a student elsewhere
    student-seed0/        run folder of the student, model.pt in it
    metrics.json          figures on PublicTest of each student that is there
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_live.cli_errors import debug_option, run_command
from fer_live.errors import FerLiveError

from .data.option import DATA_HELP, load_data
from .options import chosen_recipe, hardware_options, setting_options
from .recipes.registry import RECIPES

if TYPE_CHECKING:
    import torch

    from .data.fer2013 import Fer2013
    from .distillation.distil import Teachers
    from .run.loop import Epoch

__all__ = ["flagship_command", "flagship_main"]

STAGES = ("teachers", "student", "evaluate")


class _TimeIsUp(Exception):
    """The minutes given have passed."""


class _Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "0,1,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(int(part) for part in value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers separated by commas", param, ctx)


@click.command(epilog="The other options are those of fer-train and apply to the student.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help=DATA_HELP)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for everything that is written.")
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="What to run.")
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so many minutes; the same command resumes."
)
@click.option(
    "--folds", type=click.IntRange(2, 50), default=5, show_default=True, help="Number of parts of the Training images."
)
@click.option(
    "--teacher-seeds", type=_Numbers(), default="0", show_default=True, help="For each seed, one teacher per fold."
)
@click.option("--seeds", type=_Numbers(), default="0", show_default=True, help="One student for each seed.")
@click.option(
    "--teachers",
    type=click.Choice(["auto", "live", "stored"]),
    default="auto",
    show_default=True,
    help="live: teachers see each batch as the student does; stored: teacher_logits.npz is used; auto: live on CUDA.",
)
@hardware_options
@debug_option
@setting_options
def flagship_command(
    data: Path,
    out: Path,
    stage: str,
    minutes: float | None,
    folds: int,
    teacher_seeds: tuple[int, ...],
    seeds: tuple[int, ...],
    teachers: str,
    device: str,
    precision: str,
    threads: int | None,
    **settings: Any,
) -> None:
    """Train teachers, then the flagship from them; stop when the time is up; the same command resumes."""
    deadline = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    import torch

    from fer_live.files import make_folder

    from .device import choose_bf16, choose_device

    where = choose_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    bf16 = choose_bf16(precision, where)
    make_folder(out)
    dataset = load_data(data)
    click.echo(
        f"{len(dataset.images):,} images, {where.type}, {'bf16' if bf16 else 'float32'}, torch {torch.__version__}"
    )
    stages = STAGES if stage == "all" else (stage,)
    work = _Work(dataset, out, where, bf16, deadline)
    try:
        if "teachers" in stages:
            work.teach(folds, teacher_seeds)
        if "student" in stages:
            given = {name: value for name, value in settings.items() if value is not None}
            for seed in seeds:
                work.learn({**given, "seed": seed}, teachers)
        if "evaluate" in stages:
            work.evaluate()
    except _TimeIsUp:
        click.echo(f"{minutes:g} minutes are up: the same command resumes from the last complete epoch")
        return
    click.echo(
        f"finished: {out}\nnext: fer-eval {shlex.quote(str(out))}/student-seed*/model.pt --data {data} --public-only"
    )


class _Work:
    """The stages on one data set, in one folder, on one device."""

    def __init__(self, dataset: Fer2013, out: Path, device: torch.device, bf16: bool, deadline: float) -> None:
        self._dataset, self._out, self._device, self._bf16 = dataset, out, device, bf16
        self._deadline = deadline

    def teach(self, folds: int, seeds: tuple[int, ...]) -> None:
        """Train the teachers and ask them."""
        from .run.own_teachers import train_own_teachers

        images, share = train_own_teachers(
            "flagship",
            self._dataset,
            self._out,
            folds=folds,
            seeds=seeds,
            device=self._device,
            bf16=self._bf16,
            on_step=self._on_step,
            on_epoch=_say,
        )
        click.echo(
            f"written: {self._out / 'teacher_logits.npz'}, for {images:,} images; the teachers label {share:.2%} of "
            "them correctly, each without having been trained on it"
        )

    def learn(self, settings: dict[str, Any], kind: str) -> None:
        """Train a student."""
        import torch

        from .run.loop import train

        # The teachers' batches have another size each time: measuring kernels for each would take the time it saves.
        torch.backends.cudnn.benchmark = False
        recipe = chosen_recipe(RECIPES["flagship"], (), False, settings)
        name = f"student-seed{recipe.train.seed}"
        train(
            recipe,
            self._dataset,
            self._out / name,
            device=self._device,
            bf16=self._bf16,
            teachers=self._teachers(kind) if recipe.train.distill > 0 else None,
            on_step=self._on_step,
            on_epoch=lambda epoch: _say(name, epoch),
        )

    def evaluate(self) -> None:
        """Write and print the figures of the students on PublicTest."""
        from fer_live.files import replacing

        from .checkpoint import load_checkpoint
        from .data.fer2013 import Usage
        from .evaluation.logits import predict_logits, probabilities_of
        from .evaluation.metrics import compute_metrics

        rows = self._dataset.rows(Usage.PublicTest)
        figures: dict[str, Any] = {}
        for model in sorted(self._out.glob("student-seed*/model.pt")):
            checkpoint = load_checkpoint(model)
            head = checkpoint.contract.heads[0]
            network = checkpoint.network().to(self._device)
            logits = predict_logits(network, self._dataset.images[rows], checkpoint.contract, self._device)[0]
            metrics = compute_metrics(
                probabilities_of(logits, head.temperature), self._dataset.expression[rows], head.labels
            )
            figures[model.parent.name] = {"split": "PublicTest", **asdict(metrics)}
            click.echo(
                f"{model.parent.name}: PublicTest {metrics.accuracy:.2%} of {metrics.n:,}, macro-F1 "
                f"{metrics.macro_f1:.3f}, NLL {metrics.nll:.3f}, ECE {metrics.ece:.3f}"
            )
        if not figures:
            raise FerLiveError(f"{self._out}: no student has finished an epoch; run --stage student first")
        with replacing(self._out / "metrics.json") as partial:
            partial.write_text(json.dumps(figures, indent=2) + "\n")

    def _teachers(self, kind: str) -> Teachers:
        from .distillation.teachers import load_teachers
        from .run.own_teachers import own_teachers

        return load_teachers([own_teachers(self._out, self._device, kind)], self._dataset, bf16=self._bf16)

    def _on_step(self, epoch: int, step: int, steps: int) -> None:
        if time.monotonic() > self._deadline:
            raise _TimeIsUp


def _say(name: str, epoch: Epoch) -> None:
    from .run.own_teachers import epoch_line

    click.echo(epoch_line(name, epoch))


def flagship_main() -> None:
    """Entry point of ``python -m fer_live.training.flagship``."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(run_command(flagship_command, "flagship"))


if __name__ == "__main__":
    flagship_main()
