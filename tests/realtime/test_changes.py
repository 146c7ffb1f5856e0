"""Another classifier, detector or way of showing, while the run goes on."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, Contract, Head
from fer_live.errors import ModelError
from fer_live.realtime.datatypes import Faces, Frame, Result
from fer_live.realtime.pipeline import BATCH_FRAMES, Pipeline
from fer_live.realtime.setup import Setup
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSink, ListSource, grey_frame
from fer_live.realtime.tracking.heads import HeadFinder


def says(label: int, *, sure: float = 0.9, size: int = 48) -> FakeClassifier:
    """A classifier that says the same of every face."""
    answer = np.full(len(FER2013_LABELS), (1 - sure) / 6, np.float32)
    answer[label] = sure
    contract = Contract((Head("fer2013", FER2013_LABELS),), FER2013_FRAMING, mean=0.5, std=0.25, size=size)
    return FakeClassifier(contract, lambda crops: np.tile(answer, (len(crops), 1)))


def two_faces(_: Frame) -> Faces:
    boxes = np.array([[4, 8, 44, 48], [52, 8, 92, 48]], np.float32)
    squares = np.array([[24, 28, 40, 0], [72, 28, 40, 0]], np.float32)
    return Faces(boxes, np.ones(2, np.float32), squares)


def frames(n: int) -> list[Frame]:
    """A picture that stands still, in which faces can be followed."""
    picture = np.random.default_rng(0).integers(20, 230, (16, 24)).astype(np.uint8)
    picture = cv2.resize(picture, (96, 64), interpolation=cv2.INTER_CUBIC)
    return [grey_frame(picture, index) for index in range(n)]


class Watched(FakeDetector):
    """Does something when it is asked for a frame's faces, as another thread would at that moment."""

    def __init__(self, name: str, doing: dict[int, object]) -> None:
        super().__init__(two_faces)
        self.name, self.doing, self.looks = name, doing, []

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        self.looks.append(frame.index)
        if frame.index in self.doing:
            self.doing[frame.index]()
        return super().detect(frame, detect_size, known)


def run(n: int, detector: FakeDetector, classifier: FakeClassifier, doing, **options) -> list[Result]:
    sink = ListSink()
    pipeline = Pipeline(ListSource(frames(n)), detector, classifier, [sink], **options)
    doing.update({at: (lambda change=change: pipeline.change(**change)) for at, change in doing.items()})
    pipeline.run()
    assert [result.frame.index for result in sink.results] == list(range(n))
    return sink.results


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(st.integers(0, 39), st.tuples(st.integers(0, 6), st.sampled_from([48, 64])), max_size=6),
    st.sampled_from([1, BATCH_FRAMES]),
)
def test_each_frame_is_read_by_the_classifier_that_was_there_when_it_began(
    plan: dict[int, tuple[int, int]], batch: int
) -> None:
    doing = {at: {"classifier": says(label, size=size)} for at, (label, size) in plan.items()}
    results = run(40, Watched("a", doing), says(0), doing, detect_every=1, batch_frames=batch)
    now = 0
    for result in results:
        changed = result.frame.index - 1 in plan
        if changed:
            now = plan[result.frame.index - 1][0]
        said = result.expressions
        assert said.raw.probabilities.argmax(1).tolist() == [now, now]
        # Nothing of the one before stands any more.
        assert said.shown.tolist() == [now, now]
        np.testing.assert_allclose(said.smoothed.probabilities, said.raw.probabilities, atol=1e-6)
        assert said.fresh.all() or not changed
        assert result.crops is not None and len(result.crops) == said.fresh.sum()


def test_tracks_outlive_another_detector_which_looks_at_once() -> None:
    doing: dict[int, object] = {}
    second = Watched("b", {})
    doing[0] = {"detector": second}
    first = Watched("a", doing)
    results = run(10, first, says(3), doing)
    assert (first.looks, second.looks) == ([0], [1])
    assert all(result.track_ids.tolist() == [1, 2] for result in results)


def test_smoothing_is_switched_without_a_new_start() -> None:
    """The classifier says one thing for a second, then another: smoothed, the first is still shown for a while."""
    answers = iter([3] * 25 + [0] * 100)

    class Fickle(FakeClassifier):
        def classify(self, crops):
            return says(next(answers), sure=0.4).classify(crops)

    doing = {25: {"smooth": False}, 26: {"smooth": True}}
    results = run(
        28, Watched("a", doing), Fickle(), doing, detect_every=1, classify_every=1, batch_frames=1, smooth=True
    )
    assert [result.expressions.shown[0] for result in results[24:]] == [3, 3, 0, 3]
    raw, smoothed = results[26].expressions.raw, results[26].expressions.smoothed
    np.testing.assert_array_equal(raw.probabilities, smoothed.probabilities)


def test_other_labels_are_refused_and_change_nothing() -> None:
    pipeline = Pipeline(ListSource(frames(3)), FakeDetector(two_faces), says(1))
    contract = says(0).contract
    head = replace(contract.heads[0], labels=FER2013_LABELS[::-1])
    with pytest.raises(ModelError, match=r"labels \(neutral, .* start again"):
        pipeline.change(classifier=FakeClassifier(replace(contract, heads=(head,))), smooth=False)
    assert pipeline.setup.smooth
    pipeline.run()


def test_who_asks_is_told_of_a_change_when_it_happens() -> None:
    told: list[tuple[Setup, int]] = []
    doing: dict[int, object] = {4: {"smooth": False}}
    run(
        9,
        Watched("a", doing),
        says(2),
        doing,
        detect_every=1,
        on_change=lambda setup, frame: told.append((setup, frame.index)),
    )
    assert [(setup.smooth, index) for setup, index in told] == [(False, 5)]


def framed_otherwise(classifier: FakeClassifier) -> FakeClassifier:
    framing = replace(FER2013_FRAMING, side_eye_distances=3.5)
    return FakeClassifier(replace(classifier.contract, framing=framing))


def test_only_models_that_are_shown_the_same_are_compared() -> None:
    source, detector = ListSource(frames(3)), FakeDetector(two_faces)
    with pytest.raises(ModelError, match=r"reads other crops \(64 px"):
        Pipeline(source, detector, says(1), other=says(2, size=64))
    pipeline = Pipeline(source, detector, says(1), other=says(2))
    for other in (says(3, size=64), framed_otherwise(says(3))):
        with pytest.raises(ModelError, match="reads other crops"):
            pipeline.change(classifier=other)
    pipeline.change(classifier=says(3))


def test_the_other_model_reads_what_the_first_one_reads_and_outlives_its_change() -> None:
    doing: dict[int, object] = {6: {"classifier": says(3)}}
    other = says(5)
    first = says(1)
    results = run(12, Watched("a", doing), first, doing, detect_every=1, other=other)
    assert other.batches[0] == first.batches[0]
    for result in results:
        assert result.other is not None
        assert result.other.shown.tolist() == [5, 5]
        assert result.expressions.shown.tolist() == [1 if result.frame.index < 7 else 3] * 2
        assert (result.other.fresh == result.expressions.fresh).all()


def test_while_heads_are_covered_the_framing_stays() -> None:
    """What is covered is worked out from the squares of the framing that the run began with."""
    detector = FakeDetector(two_faces)
    heads = HeadFinder(detector, FER2013_FRAMING)
    pipeline = Pipeline(ListSource(frames(3)), detector, says(1), heads=heads)
    with pytest.raises(ModelError, match="heads are covered"):
        pipeline.change(classifier=framed_otherwise(says(2)))
    pipeline.change(classifier=says(2))


def test_another_classifier_has_every_neutral_learned_anew() -> None:
    doing: dict[int, object] = {19: {"classifier": says(3)}}
    results = run(30, Watched("a", doing), says(1), doing, detect_every=1, calibrate_s=0.4)
    left_s = [float(result.changes.left_s[0]) for result in results]
    assert left_s[11] == left_s[19] == 0.0 and left_s[20] == pytest.approx(0.4)
