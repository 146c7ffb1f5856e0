"""What a training writes for people and programs to read: ``config.json``, ``metrics.jsonl``, TensorBoard, curves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fer_live.errors import ModelError, SinkError
from fer_live.files import replacing, system_errors_as
from fer_live.training.checkpoint import load_tensors
from fer_live.training.identity import difference

from .curves import draw_curves

__all__ = ["Logbook", "told_once", "write_config"]


def write_config(folder: Path, identity: dict[str, Any], about: dict[str, Any]) -> None:
    """Write ``config.json``, or make sure that the folder's run is the one that ``identity`` tells.

    Raises:
        ModelError: the folder holds another run, or one without its model.pt.
        SinkError: the file can't be written.
    """
    if (folder / "last.pt").exists():
        try:
            saved = dict(json.loads(load_tensors(folder / "last.pt")["config"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{folder}/last.pt: not written by a training; give another --out") from error
        precision = saved.get("precision")
        if precision is not None and saved == {**identity, "precision": precision} != identity:
            raise ModelError(
                f"{folder} holds a run in {precision}; give --precision {precision} to go on, or another --out"
            )
        if different := difference(saved, identity):
            raise ModelError(f"{folder} holds a run with {different}; give another --out")
        if not (folder / "model.pt").exists():
            raise ModelError(
                f"{folder / 'model.pt'} is gone, and last.pt does not hold the best epoch's weights: put it back, or "
                "give another --out to train anew"
            )
        return
    with replacing(folder / "config.json") as partial:
        partial.write_text(json.dumps({**identity, **about}, indent=2) + "\n")


@contextmanager
def told_once() -> Iterator[None]:
    """Within, no traceback tells of what fails in TensorBoard's thread: the next flush raises it again, for a line."""
    before = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not _of_tensorboard(failed.thread):
            before(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        for thread in filter(_of_tensorboard, threading.enumerate()):
            thread.join(1)  # one that has failed may be about to tell
        threading.excepthook = before


def _of_tensorboard(thread: threading.Thread | None) -> bool:
    return type(thread).__module__.partition(".")[0] == "tensorboard"


class Logbook:
    """``metrics.jsonl``, ``curves.png`` and TensorBoard events of a run folder.

    Args:
        folder: the run folder; None keeps no log.
        title: of the curves.
        history: the epochs so far, JSON values; the file will say what they say, should the run have died between
            writing its checkpoint and writing this.
        on_note: told of what could not be drawn; a picture is no reason to end a run.
    """

    def __init__(
        self, folder: Path | None, title: str, history: Sequence[dict[str, Any]], on_note: Callable[[str], None]
    ) -> None:
        self._folder, self._title, self._history, self._on_note = folder, title, list(history), on_note

    def __enter__(self) -> Logbook:
        if self._folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            with system_errors_as(SinkError, self._folder):
                self._writer = SummaryWriter(str(self._folder), purge_step=len(self._history))
            self._write_lines(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            with suppress(OSError):  # each epoch was flushed
                self._writer.close()

    def add(self, entry: dict[str, Any]) -> None:
        """Write what an epoch gave.

        Raises:
            SinkError: a file other than the picture can't be written.
        """
        if self._folder is None:
            return
        self._history.append(entry)
        self._write_lines(self._folder)
        try:
            with replacing(self._folder / "curves.png") as partial:
                draw_curves(partial, self._title, self._history)
        except SinkError as error:
            self._on_note(f"{error}; the training continues")
        with system_errors_as(SinkError, self._folder):
            for name, value in entry.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, entry["epoch"])
            self._writer.flush()

    def _write_lines(self, folder: Path) -> None:
        with replacing(folder / "metrics.jsonl") as partial:
            partial.write_text("".join(json.dumps(entry) + "\n" for entry in self._history))
