"""Steady labels and doubts."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Doubt, Expressions, Predictions
from fer_live.realtime.labels.doubts import MIN_CONFIDENCE
from fer_live.realtime.labels.quality import Qualities
from fer_live.realtime.labels.smoothing import Smoother, reliability

LABELS = ("angry", "happy", "sad", "neutral")
HAPPY, NEUTRAL = 1, 3


def qualities(n: int, side_px: float = 100, sharpness: float = 0.4, turned_deg: float = 0) -> Qualities:
    return Qualities(*(np.full(n, value, np.float32) for value in (side_px, sharpness, turned_deg)))


def predictions(rows: Sequence[Sequence[float]] | np.ndarray) -> Predictions:
    return Predictions(np.array(rows, np.float32).reshape(-1, len(LABELS)), LABELS)


def mostly(label: int, probability: float = 0.7) -> list[float]:
    rest = (1 - probability) / (len(LABELS) - 1)
    return [probability if index == label else rest for index in range(len(LABELS))]


def see(
    smoother: Smoother,
    time_s: float,
    rows: Sequence[Sequence[float]] | np.ndarray,
    ids: Sequence[int] | None = None,
    classified: Sequence[int] | None = None,
    quality: Qualities | None = None,
) -> Expressions:
    """One frame of faces ``ids``, of which ``classified`` were; by default one for each of ``rows``, all of them."""
    ids = range(1, len(rows) + 1) if ids is None else ids
    classified = range(len(ids)) if classified is None else classified
    quality = qualities(len(rows)) if quality is None else quality
    return smoother.update(time_s, np.array(ids, np.int64), np.array(classified, np.intp), predictions(rows), quality)


probabilities = st.lists(st.floats(0.001, 1), min_size=len(LABELS), max_size=len(LABELS)).map(
    lambda values: (np.array(values) / sum(values)).tolist()
)


@given(st.lists(st.tuples(probabilities, st.floats(0, 0.4), st.floats(5, 80)), min_size=1, max_size=30))
def test_probabilities_stay_probabilities(video: list[tuple[list[float], float, float]]) -> None:
    smoother, time_s = Smoother(LABELS), 0.0
    for row, passed_s, side_px in video:
        time_s += passed_s
        said = see(smoother, time_s, [row], quality=qualities(1, side_px))
        assert said.smoothed.probabilities.min() >= 0
        assert said.smoothed.probabilities.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_array_equal(said.raw.probabilities, np.array([row], np.float32))


@given(probabilities, st.lists(st.floats(0.001, 0.45), max_size=30))
def test_what_does_not_change_is_shown_as_it_is(row: list[float], passed_s: list[float]) -> None:
    smoother = Smoother(LABELS)
    for time_s in np.cumsum([0.0, *passed_s]).tolist():
        said = see(smoother, time_s, [row])
        np.testing.assert_allclose(said.smoothed.probabilities, [row], atol=1e-6)
        assert said.shown.tolist() == [int(np.argmax(np.array(row, np.float32)))]
        if abs(max(row) - MIN_CONFIDENCE) > 1e-6:
            assert said.doubts == (Doubt.LOW_CONFIDENCE if max(row) < MIN_CONFIDENCE else None,)


@pytest.mark.parametrize("fps", [7.5, 15, 60, 120])
def test_the_frame_rate_makes_no_difference(fps: float) -> None:
    """The same face at another rate: at every moment nearly the same means, labels changed at nearly the same time."""

    def watch(fps: float) -> tuple[np.ndarray, np.ndarray]:
        smoother, means, shown = Smoother(LABELS), [], []
        for index in range(int(6 * fps) + 1):
            happy = 0.5 - 0.4 * np.cos(index / fps * 2 * np.pi / 3)
            row = [0.05, 0.05 + 0.85 * happy, 0.05, 0.85 * (1 - happy)]
            said = see(smoother, index / fps, [row])
            means.append(said.smoothed.probabilities[0])
            shown.append(int(said.shown[0]))
        return np.array(means)[:: round(fps / 7.5)], np.flatnonzero(np.diff(shown)) / fps

    means, changes_s = watch(fps)
    expected_means, expected_changes_s = watch(30)
    np.testing.assert_allclose(means, expected_means, atol=0.12 if fps < 15 else 0.06)
    assert len(changes_s) == len(expected_changes_s) == 4
    np.testing.assert_allclose(changes_s, expected_changes_s, atol=1.5 / min(fps, 30))


def test_one_odd_frame_changes_nothing_that_is_shown() -> None:
    smoother = Smoother(LABELS)
    for index in range(20):
        assert see(smoother, index / 25, [mostly(HAPPY if index == 10 else NEUTRAL)]).shown.tolist() == [NEUTRAL]


@pytest.mark.parametrize(("probability", "at_most_s"), [(0.9, 0.25), (0.7, 0.35), (0.45, 1.0)])
def test_a_clear_change_is_shown_sooner(probability: float, at_most_s: float) -> None:
    smoother = Smoother(LABELS)
    for index in range(25):
        see(smoother, index / 25, [mostly(NEUTRAL, probability)])
    shown = [see(smoother, 1 + index / 25, [mostly(HAPPY, probability)]).shown[0] for index in range(50)]
    assert shown.index(HAPPY) / 25 <= at_most_s
    assert set(shown[shown.index(HAPPY) :]) == {HAPPY}


def test_a_blurred_frame_counts_less() -> None:
    def mean(quality: Qualities) -> float:
        smoother = Smoother(LABELS)
        see(smoother, 0.0, [mostly(NEUTRAL)])
        return float(see(smoother, 0.1, [mostly(HAPPY)], quality=quality).smoothed.probabilities[0, HAPPY])

    sharp = mean(qualities(1))
    assert mean(qualities(1, sharpness=0.05)) < sharp
    assert mean(qualities(1, side_px=12)) < sharp
    assert mean(qualities(1, turned_deg=70)) < sharp
    assert mean(qualities(1, turned_deg=float("nan"))) == sharp


def test_reliability_is_a_share() -> None:
    rng = np.random.default_rng(0)
    values = [rng.uniform(low, high, 200).astype(np.float32) for low, high in ((1, 500), (0, 2), (0, 90))]
    worth = reliability(Qualities(*values))
    assert worth.min() > 0
    assert worth.max() <= 1


@given(st.permutations(range(5)), st.integers(0, 2**31))
@settings(max_examples=30)
def test_the_order_of_faces_makes_no_difference(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = Smoother(LABELS), Smoother(LABELS)
    for index in range(12):
        rows = rng.dirichlet(np.ones(len(LABELS)), 5)
        some = np.flatnonzero(rng.uniform(size=5) < 0.5) if index else np.arange(5)
        a = see(one, index / 10, rows[some], range(1, 6), some.tolist())
        where = [order.index(face) for face in some]
        b = see(other, index / 10, rows[some], [face + 1 for face in order], where)
        np.testing.assert_array_equal(a.smoothed.probabilities[order], b.smoothed.probabilities)
        np.testing.assert_array_equal(a.raw.probabilities[order], b.raw.probabilities)
        assert a.shown[order].tolist() == b.shown.tolist()
        assert tuple(a.doubts[face] for face in order) == b.doubts
        assert a.fresh[order].tolist() == b.fresh.tolist()


def test_a_face_that_was_not_classified_keeps_what_was_said() -> None:
    smoother = Smoother(LABELS)
    first = see(smoother, 0.0, [mostly(HAPPY), mostly(NEUTRAL, 0.4)])
    then = see(smoother, 0.04, [mostly(NEUTRAL)], ids=[1, 2], classified=[0])
    assert first.fresh.tolist() == [True, True]
    assert then.fresh.tolist() == [True, False]
    assert then.shown.tolist() == [HAPPY, NEUTRAL]
    assert then.doubts[1] == first.doubts[1] == Doubt.LOW_CONFIDENCE
    np.testing.assert_array_equal(then.raw.probabilities[1], first.raw.probabilities[1])
    np.testing.assert_array_equal(then.smoothed.probabilities[1], first.smoothed.probabilities[1])
    np.testing.assert_allclose(then.raw.probabilities[0], mostly(NEUTRAL), atol=1e-6)


def test_a_track_lives_while_it_is_seen_and_half_a_second_more() -> None:
    smoother = Smoother(LABELS)
    see(smoother, 0.0, [mostly(HAPPY)])
    see(smoother, 0.4, [], ids=[1], classified=[])
    assert see(smoother, 0.9, [], ids=[1], classified=[]).shown.tolist() == [HAPPY]
    anew = see(smoother, 1.5, [mostly(NEUTRAL)])
    assert anew.shown.tolist() == [NEUTRAL]
    np.testing.assert_allclose(anew.smoothed.probabilities, [mostly(NEUTRAL)], atol=1e-6)


@pytest.mark.parametrize("gone_until_s", [0.0, 0.7])
def test_a_new_track_must_be_classified(gone_until_s: float) -> None:
    smoother = Smoother(LABELS)
    if gone_until_s:
        see(smoother, 0.0, [mostly(HAPPY)])
    with pytest.raises(ValueError, match=r"must be classified; those of \[1\] were not"):
        see(smoother, gone_until_s, [], ids=[1], classified=[])


def test_other_labels_or_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="1 predictions of"):
        Smoother(("a", "b")).update(
            0.0, np.array([1]), np.array([0], np.intp), predictions([mostly(HAPPY)]), qualities(1)
        )
    with pytest.raises(ValueError, match="as many qualities"):
        see(Smoother(LABELS), 0.0, [mostly(HAPPY)], quality=qualities(2))


def test_a_clock_that_is_set_back_ends_no_track_and_lets_old_ones_go() -> None:
    smoother = Smoother(LABELS)
    see(smoother, 100.0, [mostly(HAPPY), mostly(NEUTRAL)])
    assert see(smoother, 3.0, [], ids=[1], classified=[]).shown.tolist() == [HAPPY]
    assert see(smoother, 3.4, [mostly(HAPPY)]).shown.tolist() == [HAPPY]
    with pytest.raises(ValueError, match=r"those of \[2\] were not"):
        see(smoother, 3.6, [], ids=[2], classified=[])


def test_no_face_is_ordinary() -> None:
    smoother = Smoother(LABELS)
    assert len(see(smoother, 0.0, [])) == 0
    see(smoother, 0.1, [mostly(HAPPY)])
    assert len(see(smoother, 0.2, [])) == 0


@given(st.lists(probabilities, min_size=1, max_size=20))
def test_switched_off_it_passes_on_what_the_classifier_says(video: list[list[float]]) -> None:
    smoother = Smoother(LABELS, enabled=False)
    for index, row in enumerate(video):
        said = see(smoother, index / 25, [row, mostly(HAPPY)], quality=qualities(2, side_px=8))
        np.testing.assert_array_equal(said.smoothed.probabilities, np.array([row, mostly(HAPPY)], np.float32))
        np.testing.assert_array_equal(said.raw.probabilities, said.smoothed.probabilities)
        np.testing.assert_array_equal(said.shown, said.raw.probabilities.argmax(1))
        assert said.doubts == (Doubt.TOO_SMALL, Doubt.TOO_SMALL)


@pytest.mark.parametrize(
    ("quality", "row", "doubt"),
    [
        (qualities(1), mostly(HAPPY, 0.9), None),
        (qualities(1), mostly(HAPPY, 0.5), Doubt.LOW_CONFIDENCE),
        (qualities(1, side_px=15), mostly(HAPPY, 0.9), Doubt.TOO_SMALL),
        (qualities(1, sharpness=0.06), mostly(HAPPY, 0.9), Doubt.BLURRED),
        (qualities(1, turned_deg=60), mostly(HAPPY, 0.9), Doubt.TURNED_AWAY),
        (qualities(1, turned_deg=float("nan")), mostly(HAPPY, 0.9), None),
        (qualities(1, 15, 0.05, 70), mostly(HAPPY, 0.3), Doubt.TOO_SMALL),
    ],
)
def test_doubts_tell_their_reason_at_once(quality: Qualities, row: list[float], doubt: Doubt | None) -> None:
    smoother = Smoother(LABELS)
    for index in range(20):
        assert see(smoother, index / 25, [row], quality=quality).doubts == (doubt,)


def test_doubts_do_not_flicker_at_their_limit() -> None:
    smoother, rng, doubts = Smoother(LABELS), np.random.default_rng(0), []
    for index in range(500):
        quality = qualities(1, 20 * np.exp(rng.normal(0, 0.05)), turned_deg=45 + rng.normal(0, 4))
        doubts += see(smoother, index / 25, [mostly(HAPPY, rng.uniform(0.45, 0.72))], quality=quality).doubts
    assert sum(a != b for a, b in pairwise(doubts)) <= 2


@given(st.floats(0.25, 0.45), st.lists(st.booleans(), min_size=5, max_size=20))
def test_a_rare_answer_begins_and_ends_no_doubt(every_s: float, unsure: list[bool]) -> None:
    """However rarely a face is classified, a doubt takes three answers in a row."""
    smoother = Smoother(LABELS, min_confidence=0.5)
    told = [
        see(smoother, index * every_s, [mostly(HAPPY, 0.28 if low else 0.9)]).doubts[0] is not None
        for index, low in enumerate(unsure)
    ]
    for index in range(1, len(told)):
        if told[index] != told[index - 1]:
            assert unsure[index - 2 : index + 1] == [told[index]] * 3


def test_a_face_that_comes_nearer_loses_its_doubt_and_gets_it_back() -> None:
    smoother, doubts = Smoother(LABELS), []
    for index in range(150):
        side_px = 12.0 if index < 50 or index >= 100 else 60.0
        doubts += see(smoother, index / 25, [mostly(HAPPY, 0.9)], quality=qualities(1, side_px)).doubts
    begin, end = doubts.index(None), 149 - doubts[::-1].index(None)
    assert 52 <= begin <= 75
    assert 102 <= end <= 125
    assert set(doubts[begin : end + 1]) == {None}
