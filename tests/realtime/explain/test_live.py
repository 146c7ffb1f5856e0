"""The thread that explains: freshest wins, other models are opened, failures are told."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_live.errors import ModelError
from fer_live.realtime.explain.explainer import Explainer, Method
from fer_live.realtime.explain.live import Explained, ExplainThread, Question

CROP = np.random.default_rng(0).integers(0, 256, (1, 1, 48, 48), np.uint8)


def question(model: Path, *, sha256: str = "a", track: int = 1, label: int | None = 3, layer: int = 0) -> Question:
    return Question(model, sha256, track, CROP, label, layer)


class Watched(ExplainThread):
    """Lets a test wait for answers, and hold models up while they open."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.answers: list[Explained] = []
        self.go, self.answered = threading.Event(), threading.Semaphore(0)
        self.go.set()
        super().__init__(self._slowly)

    def _slowly(self, path: Path, sha256: str) -> Explainer:
        assert self.go.wait(60)
        self.opened.append(sha256)
        return Explainer(path)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "_newest" and isinstance(value, Explained):
            self.answers.append(value)
            self.answered.release()

    def next(self) -> Explained:
        assert self.answered.acquire(timeout=60)
        return self.answers[-1]


def test_a_question_is_answered_and_the_layers_go_round(exported: Callable[[str], Path]) -> None:
    path, thread = exported("residual"), Watched()
    plain = Explainer(path)
    try:
        for layer in (0, 1, 4, 5, 6, -1, -5):
            thread.ask(question(path, layer=layer))
            answer = thread.next()
            assert answer.method is Method.CAM and answer.heat is not None
            np.testing.assert_array_equal(answer.heat, plain.heat(CROP, 3))
            number = {0: 0, 1: 1, 4: 4, 5: 0, 6: 1, -1: 4, -5: 0}[layer]
            assert (answer.maps.number if answer.maps else 0) == number
            if answer.maps is not None:
                assert answer.maps.layer == plain.layers[number - 1] and answer.maps.count == 4
                np.testing.assert_array_equal(answer.maps.maps, plain.maps(CROP, answer.maps.layer))
        assert thread.opened == ["a"]
    finally:
        thread.close()


def test_only_the_newest_question_is_answered_after_the_one_at_hand(exported: Callable[[str], Path]) -> None:
    path, thread = exported("no maps"), Watched()
    try:
        thread.go.clear()
        for track in range(1, 6):
            thread.ask(question(path, track=track))
        thread.go.set()
        while thread.next().question.track != 5:
            pass
        assert len(thread.answers) <= 2  # the one at hand, whichever that was, and the newest
    finally:
        thread.close()


def test_another_model_is_opened_and_one_that_fails_is_told(exported: Callable[[str], Path], tmp_path: Path) -> None:
    path, thread = exported("residual"), Watched()
    try:
        thread.ask(question(path))
        assert thread.next().failure is None
        thread.ask(question(tmp_path / "gone.onnx", sha256="b"))
        assert "can't be read" in (thread.next().failure or "")
        thread.ask(question(path, sha256="c", label=None, layer=2))
        answer = thread.next()
        assert answer.failure is None and answer.heat is None and answer.maps is not None
        assert thread.opened == ["a", "b", "c"]
    finally:
        thread.close()
    thread.ask(question(path))
    assert len(thread.answers) == 3


def test_without_a_question_there_is_no_thread() -> None:
    before = threading.active_count()
    thread = ExplainThread(lambda *_: pytest.fail("nobody asked"))
    assert threading.active_count() == before and thread.newest is None
    thread.close()


def test_a_real_file_is_checked_against_what_runs(exported: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match="was replaced"):
        Explainer(exported("residual"), sha256="0" * 64)
