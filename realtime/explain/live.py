"""Explains the newest of a run's answers in a thread of its own, so that no stage waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_live.errors import FerLiveError

from .explainer import Explainer, Method
from .layers import Layer

__all__ = ["ExplainThread", "Explained", "MapsShown", "Question"]

JOIN_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is to be explained.

    ``model``: its file, ``sha256`` of it as it runs. ``track``: whose face it is. ``crop``: (1, 1, S, S) uint8.
    ``label``: the number of the one whose heat map is wanted, None for none. ``layer``: which layer's maps are wanted,
    counted round and round from 1; 0, and each time round again, is none.
    """

    model: Path
    sha256: str
    track: int
    crop: NDArray[np.uint8]
    label: int | None
    layer: int

    def is_as(self, other: Question) -> bool:
        """Whether this asks for the same as another question, of the very same crop."""
        mine, others = ((q.sha256, q.track, q.label, q.layer) for q in (self, other))
        return mine == others and self.crop.ctypes.data == other.crop.ctypes.data


@dataclass(frozen=True, slots=True, eq=False)
class MapsShown:
    """Feature maps: ``number`` is that of ``layer``, from 1, of ``count``; ``maps`` are (C, h, w) float32."""

    layer: Layer
    number: int
    count: int
    maps: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """The answer to a question.

    ``method``: how the model's heat maps are made. ``layers``: those that can be looked at; heat maps are of the last
    one. ``heat``: (S, S) float32, 0..1; None where none was wanted. ``maps``: None where no layer was wanted, or there
    is none. ``failure``: why the model can't be looked into, one line; None where it can.
    """

    question: Question
    method: Method | None = None
    layers: tuple[Layer, ...] = ()
    heat: NDArray[np.float32] | None = None
    maps: MapsShown | None = None
    failure: str | None = None


class ExplainThread:
    """Answers the newest question; older ones that still wait are forgotten. Close it at the end.

    The thread starts with the first question. A question about another model than the one before opens that one.

    Args:
        open_model: gives an explainer; another in tests.
    """

    def __init__(self, open_model: Callable[[Path, str], Explainer] | None = None) -> None:
        self._open_model = open_model or (lambda path, sha256: Explainer(path, sha256=sha256))
        self._condition = threading.Condition()
        self._waiting: Question | None = None
        self._newest: Explained | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def newest(self) -> Explained | None:
        """The newest answer, None before the first one."""
        return self._newest

    def ask(self, question: Question) -> None:
        """Have a question answered soon, instead of the one that waits. Nothing happens after :meth:`close`."""
        with self._condition:
            if self._closed:
                return
            self._waiting = question
            self._condition.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fer-live explain", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread, after what it is at. Any number of times."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        explainer: Explainer | None = None
        sha256 = ""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._waiting is not None)
                question, self._waiting = self._waiting, None
                if self._closed or question is None:
                    return
            try:
                if explainer is None or question.sha256 != sha256:
                    explainer, sha256 = self._open_model(question.model, question.sha256), question.sha256
                self._newest = _answer(explainer, question)
            except ValueError:
                continue  # a crop that was cut for the model before: another one will come
            except FerLiveError as error:
                self._newest = Explained(question, failure=str(error))


def _answer(explainer: Explainer, question: Question) -> Explained:
    heat = None if question.label is None else explainer.heat(question.crop, question.label)
    layers = explainer.layers
    number = question.layer % (len(layers) + 1)
    maps = None
    if number:
        layer = layers[number - 1]
        maps = MapsShown(layer, number, len(layers), explainer.maps(question.crop, layer))
    return Explained(question, explainer.method, layers, heat, maps)
