"""What ``fer-search`` shows while it searches: a bar on a terminal, a plain line a trial everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fer_live.terminals import is_terminal
from fer_live.training.run.loop import Epoch

from .run import Trial

__all__ = ["SearchProgress", "search_progress"]


class SearchProgress:
    """Callbacks of :func:`~fer_live.training.search.run.search`."""

    def __init__(self, trials: int, epochs: int, bar: Progress | None) -> None:
        self.concluded = 0
        self._trials, self._epochs = trials, epochs
        self._bar = bar
        self._task = None if bar is None else bar.add_task("starting", total=trials)
        self._best = ""
        self._trial_epochs = epochs
        self._number = 0

    def on_trial(self, concluded: int, trial: Trial) -> None:
        """Before each trial."""
        self.concluded, self._number = concluded, trial.number
        self._trial_epochs = int(trial.options.get("epochs", self._epochs))
        self._show(concluded, "")

    def on_epoch(self, epoch: Epoch) -> None:
        """After each epoch."""
        share = (epoch.epoch + 1) / self._trial_epochs
        accuracy = f"epoch {epoch.epoch + 1}/{self._trial_epochs}, PublicTest {100 * epoch.public_accuracy:.2f} %"
        self._show(self.concluded + share, accuracy)

    def on_end(self, concluded: int, trial: Trial, best: Trial | None) -> None:
        """After each trial."""
        self.concluded = concluded
        if best is not None and best.accuracy is not None:
            self._best = f"best {100 * best.accuracy:.2f} % (trial {best.number})"
        result = trial.state if trial.accuracy is None else f"{trial.state} at {100 * trial.accuracy:.2f} %"
        if trial.note:
            result += f" ({trial.note})"
        options = " ".join(f"{name}={_text(value)}" for name, value in trial.options.items())
        line = f"trial {trial.number:>3}  {concluded}/{self._trials}  {options}  {result}  {self._best}".rstrip()
        if self._bar is None:
            click.echo(line)
            sys.stdout.flush()
        else:
            self._bar.console.print(line, highlight=False, markup=False)
        self._show(concluded, "")

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()

    def _show(self, completed: float, epoch: str) -> None:
        if self._bar is not None and self._task is not None:
            parts = (f"{self.concluded}/{self._trials} trials", self._best, f"trial {self._number}", epoch)
            self._bar.update(self._task, completed=completed, description="  ".join(part for part in parts if part))


@contextmanager
def search_progress(trials: int, epochs: int) -> Iterator[SearchProgress]:
    """A :class:`SearchProgress` with a bar where stdout is a terminal."""
    if not is_terminal(sys.stdout):
        yield SearchProgress(trials, epochs, None)
        return
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    ) as bar:
        yield SearchProgress(trials, epochs, bar)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace(" ", "")
