"""A face's own neutral, on made-up tracks whose offsets are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Changes, Predictions
from fer_live.realtime.labels.baseline import FLOOR, log_ratios
from fer_live.realtime.labels.labelling import Labeller
from fer_live.realtime.labels.quality import Qualities
from fer_live.realtime.labels.transitions import ROUGH, STILL, TALKING, Noise

CLASSES, HAPPY, SAD, NEUTRAL = 7, 3, 4, 6
FPS = 25
OFFSETS = arrays(np.float64, CLASSES, elements=st.floats(-0.4, 0.4))


def probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)


def good(count: int, *, side_px: float = 200.0) -> Qualities:
    return Qualities(np.full(count, side_px, np.float32), np.full(count, 0.4, np.float32), np.zeros(count, np.float32))


def changes(
    logits: np.ndarray, *, learn_s: float = 2.0, every: int = 4, smooth: bool = True, fps: int = FPS
) -> list[Changes]:
    """Of N faces whose logits are (T, N, C), or of one, (T, C); read on every ``every``-th frame."""
    labeller, found = Labeller(FER2013_LABELS, learn_s=learn_s, smooth=smooth), []
    answers = probabilities(logits.reshape(len(logits), -1, CLASSES))
    tracks = np.arange(1, answers.shape[1] + 1)
    for index, answer in enumerate(answers):
        rows = np.arange(len(tracks) if index % every == 0 else 0)
        raw = Predictions(answer[rows], FER2013_LABELS)
        said = labeller.update(index / fps, tracks, rows, raw, None, good(len(rows)))
        assert said.changes is not None
        found.append(said.changes)
    return found


def wandering(rng: np.random.Generator, frames: int, noise: Noise) -> np.ndarray:
    keep = np.exp(-1 / FPS / noise.drift_s)
    drift, rows = rng.normal(0, noise.drift_nats, CLASSES), []
    for _ in range(frames):
        rows.append(drift + rng.normal(0, noise.white_nats, CLASSES))
        drift = keep * drift + np.sqrt(1 - keep**2) * rng.normal(0, noise.drift_nats, CLASSES)
    return np.array(rows)


@settings(max_examples=25, deadline=None)
@given(OFFSETS, OFFSETS, OFFSETS)
def test_what_is_always_there_goes_away_and_what_is_added_stays(
    one: np.ndarray, two: np.ndarray, up: np.ndarray
) -> None:
    """Two people with different offsets who do the same have changed by the same, and by just that."""
    logits = np.tile(np.stack([one, two]), (20, 1, 1))
    logits[15:] += up
    last = changes(logits, learn_s=0.5, every=1, smooth=False)[-1]
    np.testing.assert_allclose(last.nats[0], last.nats[1], atol=1e-4)
    np.testing.assert_allclose(last.nats[0], up - up.mean(), atol=1e-4)


def test_a_face_that_always_looks_sad_is_told_to_be_happy_when_it_smiles() -> None:
    """Its answers never say so: sad leads from the first frame to the last."""
    logits = np.zeros((200, CLASSES))
    logits[:, SAD], logits[:, NEUTRAL] = 2.5, 1.5
    logits[100:, HAPPY] = 2.2
    assert (logits.argmax(axis=1) == SAD).all()
    found = changes(logits)
    assert {int(each.shown[0]) for each in found[:100]} == {-1}
    assert found[-1].shown[0] == HAPPY and found[-1].nats[0].argmax() == HAPPY


def test_the_time_is_that_for_which_the_face_was_seen() -> None:
    found = changes(np.zeros((80, CLASSES)), learn_s=2.0)
    left_s = [float(each.left_s[0]) for each in found]
    assert left_s[0] == 2.0 and left_s == sorted(left_s, reverse=True)
    known = [index for index, each in enumerate(found) if np.isfinite(each.nats).all()]
    assert known == list(range(50, 80))
    assert all(np.isnan(each.nats).all() and each.shown[0] == -1 for each in found[:50])
    np.testing.assert_allclose(found[-1].nats, 0, atol=1e-6)


@pytest.mark.parametrize("noise", [TALKING, STILL, ROUGH])
def test_a_neutral_face_is_left_alone_and_an_expression_is_told(noise: Noise) -> None:
    """Noise as the bundled model's; 4 s are learned, 5 s stay neutral, then one label rises by 2 to 3.5 nats."""
    rng, faces = np.random.default_rng(0), 25
    logits, labels = [], rng.integers(0, NEUTRAL, faces)
    for label in labels:
        offset = rng.normal(0, 0.8, CLASSES)
        offset[NEUTRAL] += 1.5
        track = offset + wandering(rng, 15 * FPS, noise)
        track[9 * FPS :, label] += rng.uniform(2.0, 3.5)
        track[9 * FPS :, NEUTRAL] -= 1.0
        logits.append(track)
    shown = np.array([each.shown for each in changes(np.stack(logits, 1), learn_s=4.0)])
    told = shown[10 * FPS :]
    assert (shown[: 9 * FPS] >= 0).mean() < 0.01
    assert (told == labels).mean() > 0.9 and ((told >= 0) & (told != labels)).mean() < 0.01


def test_next_to_nothing_is_as_good_as_nothing() -> None:
    """A label that rises from one in a million to one in a thousand has not changed."""
    before, after = np.full((1, CLASSES), 1e-6, np.float32), np.full((1, CLASSES), 1e-6, np.float32)
    before[0, NEUTRAL] = after[0, NEUTRAL] = 1.0
    after[0, HAPPY] = 1e-3
    np.testing.assert_allclose(log_ratios(before), log_ratios(after))
    assert np.ptp(log_ratios(before)) == pytest.approx(-np.log(FLOOR))


def test_what_can_hardly_be_read_teaches_little() -> None:
    """Half the answers are of a tiny face and wrong: they weigh a quarter of the others."""
    labeller = Labeller(FER2013_LABELS, learn_s=1.0)
    answers = {True: probabilities(np.eye(CLASSES)[SAD] * 2), False: probabilities(np.zeros(CLASSES))}
    for index in range(60):
        tiny = index % 2 == 1 and index < 40
        raw = Predictions(answers[tiny][None], FER2013_LABELS)
        quality = good(1, side_px=9.0 if tiny else 200.0)
        said = labeller.update(index / FPS, np.array([1]), np.arange(1), raw, None, quality)
    assert said.changes is not None
    learned = -float(said.changes.nats[0, SAD])
    whole = float(log_ratios(answers[True][None])[0, SAD])
    assert 0.15 * whole < learned < 0.35 * whole


def test_a_neutral_is_kept_with_its_track_and_forgotten_with_it() -> None:
    labeller = Labeller(FER2013_LABELS, learn_s=0.5)
    flat = Predictions(np.full((1, CLASSES), 1 / CLASSES, np.float32), FER2013_LABELS)

    def left_s(time_s: float, tracks: list[int]) -> list[float]:
        rows = np.arange(len(tracks))
        raw = Predictions(np.repeat(flat.probabilities, len(tracks), 0), FER2013_LABELS)
        said = labeller.update(time_s, np.array(tracks, np.int64), rows, raw, None, good(len(tracks)))
        assert said.changes is not None
        return said.changes.left_s.tolist()

    for index in range(14):
        left_s(index / FPS, [1])
    assert left_s(14 / FPS, [1, 2]) == [0.0, 0.5]
    assert left_s(15 / FPS, [2])[0] < 0.5
    assert left_s(1.0, [1, 2])[0] == 0.0  # out of sight for less than half a second
    for index in range(30):
        left_s(1.0 + index / FPS, [2])
    assert left_s(2.5, [1, 2]) == [0.5, 0.0]
    labeller.forget()
    assert left_s(2.54, [1, 2]) == [0.5, 0.5]


def test_few_frames_a_second_are_enough() -> None:
    found = changes(np.zeros((6, CLASSES)), learn_s=3.0, every=1, fps=1)
    assert [float(each.left_s[0]) for each in found] == [3.0, 2.0, 1.0, 0.0, 0.0, 0.0]
