"""What ``fer-train`` shows while it trains: a bar on a terminal, a plain line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fer_live.terminals import is_terminal

from .loop import Epoch

__all__ = ["TrainingProgress", "training_progress"]


class TrainingProgress:
    """Callbacks of :func:`~fer_live.training.run.loop.train` and of teachers that are asked before it.

    Epochs are counted from 1 in what is shown.
    """

    def __init__(self, epochs: int, batch_size: int, bar: Progress | None) -> None:
        self.epochs_done = 0
        self._epochs = epochs
        self._batch_size = batch_size
        self._bar = bar
        self._task = None if bar is None else bar.add_task("starting", total=None)
        self._stepped = False
        self._best = 0.0
        self._accuracy = ""
        self._notes: set[str] = set()
        self._epoch_started = time.perf_counter()

    @property
    def nothing_to_do(self) -> bool:
        """The run had its last epoch before: no step was taken."""
        return not self._stepped

    def on_step(self, epoch: int, step: int, steps: int) -> None:
        """After each step."""
        if not self._stepped:
            self._stepped = True
            if epoch > 0:
                self._say(f"resuming at epoch {epoch + 1} of {self._epochs}")
        if self._bar is None or self._task is None:
            return
        if step == 0:
            self._epoch_started = time.perf_counter()
        seconds = time.perf_counter() - self._epoch_started
        rate = f"{step * self._batch_size / seconds:,.0f} images/s" if step and seconds > 0 else ""
        self._bar.update(
            self._task,
            total=self._epochs * steps,
            completed=epoch * steps + step + 1,
            description=f"epoch {epoch + 1}/{self._epochs}  step {step + 1}/{steps}  {rate}  {self._accuracy}",
        )

    def on_asked(self, asked: int, of: int) -> None:
        """While teachers are asked: how many answers there are, and of how many."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=of, completed=asked, description="asking the teachers")
        elif asked in (0, of):
            self._say(f"asking the teachers about {of:,} images" if asked == 0 else "the teachers have answered")

    def on_epoch(self, epoch: Epoch) -> None:
        """After each epoch, those of an earlier start first."""
        self.epochs_done = epoch.epoch + 1
        self._best = max(self._best, epoch.public_accuracy)
        self._accuracy = f"PublicTest {100 * epoch.public_accuracy:.2f} %"
        if not self._stepped:
            return
        self._say(
            f"epoch {epoch.epoch + 1:>3}/{self._epochs}  loss {epoch.train_loss:.3f}  PublicTest "
            f"{100 * epoch.public_accuracy:.2f} % (best {100 * self._best:.2f} %, balanced "
            f"{100 * epoch.public_balanced_accuracy:.2f} %)  {epoch.images_per_s:,.0f} images/s  "
            f"{_clock(epoch.elapsed_s)} elapsed, {_clock(self._left_s(epoch))} left"
        )

    def on_note(self, note: str) -> None:
        """Of what went wrong without harm to the training: once, as long as it is the same."""
        if note not in self._notes:
            self._notes.add(note)
            self._say(f"note: {note}")

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()

    def _left_s(self, epoch: Epoch) -> float:
        return epoch.elapsed_s / (epoch.epoch + 1) * (self._epochs - epoch.epoch - 1)

    def _say(self, line: str) -> None:
        if self._bar is None:
            click.echo(line)
            sys.stdout.flush()
        else:
            self._bar.console.print(line, highlight=False)


@contextmanager
def training_progress(epochs: int, batch_size: int) -> Iterator[TrainingProgress]:
    """A :class:`TrainingProgress` with a bar where stdout is a terminal."""
    if not is_terminal(sys.stdout):
        yield TrainingProgress(epochs, batch_size, None)
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    ) as bar:
        yield TrainingProgress(epochs, batch_size, bar)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
