"""Heads are covered before anybody gets the picture, and where nothing may be told of one face, nothing is."""

from dataclasses import replace

import numpy as np
import pytest

from fer_live.realtime.channel import Channel, Overflow
from fer_live.realtime.datatypes import Faces, Frame, Result
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSink, ListSource, make_result
from fer_live.realtime.tracking.heads import HeadFinder
from fer_live.realtime.view.anonymise import Style
from fer_live.realtime.view.drawing import Drawing

FACES = Faces(
    np.array([[100, 60, 140, 110]], np.float32),
    np.array([0.9], np.float32),
    np.array([[120, 85, 50, 0]], np.float32),
)
HEAD = slice(75, 95), slice(110, 130)


def noise(index: int) -> Frame:
    rng = np.random.default_rng(index)
    y, u, v = (rng.integers(0, 256, size, np.uint8) for size in ((180, 320), (90, 160), (90, 160)))
    return Frame(y, u, v, index, index / 25)


def run(frames: list[Frame], drawing: Drawing, heads: HeadFinder | None, detector: FakeDetector) -> list[list[Result]]:
    """What a sink gets, and what the display gets."""
    sink, display = ListSink(needs_pixels=True), Channel[Result](100, Overflow.BLOCK)
    pipeline = Pipeline(
        ListSource(frames), detector, FakeClassifier(), [sink], display, detect_every=1, heads=heads, drawing=drawing
    )
    pipeline.run()
    return [sink.results, list(display)]


def detail(frame: Frame) -> float:
    return float(np.abs(np.diff(frame.y[HEAD].astype(int))).mean())


@pytest.mark.parametrize("style", Style)
def test_nobody_gets_a_face(style: Style) -> None:
    """Not where the labelling detector misses it for two frames either, nor before it has found it."""
    found = FakeDetector(lambda frame: FACES if frame.index in (2, 3, 6, 7) else Faces.empty())
    covering = HeadFinder(FakeDetector(lambda frame: FACES if frame.index < 5 else Faces.empty()))
    before = [detail(noise(index)) for index in range(8)]
    for results in run([noise(index) for index in range(8)], Drawing(style=style), covering, found):
        assert len(results) == 8 and min(before) > 60
        assert all(detail(result.frame) < 12 for result in results)
        assert all(result.crops is None and result.heads is not None for result in results)


def test_labels_are_drawn_over_it() -> None:
    plain, labelled = (
        run([noise(0)], Drawing(style=Style.BOX, labels=labels), HeadFinder(FakeDetector(FACES)), FakeDetector(FACES))
        for labels in (False, True)
    )
    assert len(np.unique(plain[0][0].frame.y[60:110, 100:140])) == 1
    assert len(np.unique(labelled[0][0].frame.y[56:112, 98:142])) > 1


def test_a_group_has_no_labels_and_no_crops() -> None:
    shown, bare = (run([noise(0)], Drawing(labels=labels), None, FakeDetector(FACES))[1] for labels in (True, False))
    np.testing.assert_array_equal(bare[0].frame.y, noise(0).y)
    assert (shown[0].frame.y != noise(0).y).any()
    assert bare[0].crops is None and shown[0].crops is not None


def test_a_picture_that_was_not_searched_is_not_shown() -> None:
    result = make_result(noise(0))
    with pytest.raises(ValueError, match="nobody looked for them"):
        Drawing(style=Style.BLUR).cover(result)
    Drawing(style=Style.BLUR).cover(replace(result, heads=np.zeros((0, 4), np.float32)))


def test_a_notice_on_files() -> None:
    frames = [make_result(replace(noise(0), y=np.full((180, 320), 200, np.uint8))) for _ in range(2)]
    for result, with_notice in zip(frames, (False, True), strict=True):
        Drawing(with_notice=with_notice).draw(result)
    assert (frames[0].frame.y == 200).all()
    corner = frames[1].frame.y[-14:, :100]
    assert (corner < 100).mean() > 0.5 and (frames[1].frame.y[:160] == 200).all()
