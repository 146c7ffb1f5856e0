"""What ``fer-equal-compute`` shows of a row: one line that is written over on a terminal, one at its end elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from rich.console import Console

from fer_live.training.run.loop import Epoch

from .budget import Plan

__all__ = ["RowProgress"]


class RowProgress:
    """Callbacks of :func:`~fer_live.training.results.equal_compute.run_row`, and what is said at its end."""

    def __init__(self, title: str, budget_s: float) -> None:
        self._title = title
        self._budget_s = budget_s
        self._plan: Plan | None = None
        self._best = ""
        self._spent_before = 0.0
        self._started = time.process_time()
        self._status = Console(stderr=True).status(f"{title}  timing its steps")

    def __enter__(self) -> RowProgress:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def on_plan(self, plan: Plan) -> None:
        """When the schedule is known."""
        self._plan = plan
        self._started = time.process_time()

    def on_step(self, epoch: int, step: int, steps: int) -> None:
        """After each step."""
        if self._plan is None:
            return
        spent = self._spent_before + time.process_time() - self._started
        self._status.update(
            f"{self._title}  epoch {epoch + 1}/{self._plan.train.epochs}  step {step + 1}/{steps}  "
            f"{spent:,.0f} of {self._budget_s:,.0f} core-seconds{self._best}"
        )

    def on_epoch(self, epoch: Epoch) -> None:
        """After each epoch, those of an earlier start first."""
        self._spent_before, self._started = epoch.cpu_s, time.process_time()
        self._best = f"  PublicTest {100 * epoch.public_accuracy:.1f} %"

    def finish(self, row: Path) -> None:
        """Say what came out: the line that stays."""
        self.close()
        value = json.loads(row.read_text(encoding="utf-8"))
        splits = value["splits"]
        got = value["ran_away"] or ""
        if splits:
            accuracies = (f"{name} {100 * splits[name]['accuracy']:.2f} %" for name in ("public", "private_dedup"))
            got = ", ".join([*accuracies, *([got] if got else [])])
        click.echo(f"{self._title}  {value['passes']:.2f} passes  {value['cpu_s']:,.0f} core-seconds  {got}")

    def close(self) -> None:
        """Take the line off the terminal."""
        self._status.stop()
