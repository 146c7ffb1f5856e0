"""Steadiness and promptness of labels on faces whose expression changes at known times."""

import numpy as np
import pytest

from fer_live.bundled import MODEL, asset_path
from fer_live.contract import FER2013_LABELS
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.labels.transitions import (
    ROUGH,
    STILL,
    TALKING,
    Noise,
    Track,
    fading_crops,
    make_track,
    shown_labels,
    steadiness,
)


def held_to_the_target(tracks: list[Track], every: int) -> None:
    """At most a fifth of the changes that every frame's raw label makes; most transitions shown within 300 ms."""
    raw = steadiness(tracks, shown_labels(tracks, FER2013_LABELS, enabled=False))
    shown = steadiness(tracks, shown_labels(tracks, FER2013_LABELS, every=every))
    assert len(shown.delays_s) >= 20
    assert shown.changes_per_minute <= raw.changes_per_minute / 5
    assert np.mean(shown.delays_s <= 0.3) >= 0.75
    assert np.isinf(shown.delays_s).mean() <= 0.05
    assert shown.right >= raw.right - 0.02


@pytest.mark.parametrize(("fps", "every"), [(25, 1), (25, 4), (30, 1), (30, 3)])
@pytest.mark.parametrize("noise", [TALKING, STILL, ROUGH], ids=["talking", "still", "rough"])
def test_made_up_faces_are_steady_and_prompt(noise: Noise, fps: float, every: int) -> None:
    rng = np.random.default_rng(5)
    held_to_the_target([make_track(rng, noise, fps=fps) for _ in range(12)], every)


@pytest.mark.parametrize(("fps", "every"), [(25, 1), (25, 4), (30, 1), (30, 3)])
def test_answers_drawn_anew_for_each_frame(fps: float, every: int) -> None:
    rng = np.random.default_rng(6)
    tracks = []
    for _ in range(12):
        made = make_track(rng, TALKING, fps=fps)
        rows = [rng.dirichlet(0.5 + 3 * np.eye(7)[label]) for label in made.label]
        tracks.append(Track(made.time_s, made.label, np.array(rows, np.float32)))
    held_to_the_target(tracks, every)


@pytest.fixture(scope="module")
def faded_faces(fer2013_arrays: tuple[np.ndarray, ...]) -> list[Track]:
    """PublicTest images that the model labels rightly, under a jittering crop and a camera's noise."""
    images, expression, usage, _ = fer2013_arrays
    public = np.flatnonzero(usage == 1)[:300]
    images, y = images[public], expression[public].astype(np.int64)
    classifier = OnnxClassifier(asset_path(MODEL), Device.CPU)
    right = classifier.classify(images[:, None]).probabilities.argmax(axis=1) == y
    images, y = images[right], y[right]
    rng, tracks = np.random.default_rng(7), []
    while len(tracks) < 6:
        which = rng.integers(0, len(y), 5)
        if (np.diff(y[which]) != 0).all():
            crops = fading_crops(rng, images[which], classifier.contract, frames_each=120)
            raw = classifier.classify(crops).probabilities
            tracks.append(Track(np.arange(600) / 25, np.repeat(y[which], 120), raw))
    return tracks


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 4])
def test_real_faces_faded_into_each_other(faded_faces: list[Track], every: int) -> None:
    raw = steadiness(faded_faces, shown_labels(faded_faces, FER2013_LABELS, enabled=False))
    shown = steadiness(faded_faces, shown_labels(faded_faces, FER2013_LABELS, every=every))
    true = steadiness(faded_faces, np.stack([track.label for track in faded_faces]))
    assert shown.changes_per_minute - true.changes_per_minute <= (raw.changes_per_minute - true.changes_per_minute) / 5
    assert np.quantile(shown.delays_s, 0.5) <= 0.3


def test_a_track_has_the_labels_it_says() -> None:
    quiet = Noise(drift_nats=0, drift_s=1, white_nats=0, margin_nats=(0.5, 1))
    track = make_track(np.random.default_rng(0), quiet, duration_s=20, fps=10, lasts_s=(1, 2))
    assert len(track.time_s) == len(track.label) == len(track.raw) == 200
    assert 10 <= len(track.transitions) <= 20
    np.testing.assert_array_equal(track.raw.argmax(axis=1), track.label)
    np.testing.assert_allclose(track.raw.sum(axis=1), 1, atol=1e-5)


def test_steadiness_of_known_labels() -> None:
    label = np.repeat([0, 1, 2, 0], 25)
    track = Track(np.arange(100) / 25, label, np.eye(3, dtype=np.float32)[label])
    late = np.concatenate([label[:5], label[:-5]])
    found = steadiness([track, track], np.stack([late, np.zeros(100, np.int64)]))
    assert found.changes_per_minute == pytest.approx(60 * 3 / (2 * 99 / 25))
    assert found.delays_s.tolist() == pytest.approx([0.2, 0.2, np.inf, np.inf])
    assert found.right == pytest.approx((0.85 + 0.5) / 2)


def test_fading_crops_go_from_one_image_to_the_next() -> None:
    contract = OnnxClassifier(asset_path(MODEL), Device.CPU).contract
    images = np.stack([np.full((48, 48), level, np.uint8) for level in (40, 200)])
    crops = fading_crops(np.random.default_rng(0), images, contract, frames_each=20, noise_levels=0)
    means = crops.mean(axis=(1, 2, 3))
    assert crops.shape == (40, 1, 48, 48)
    assert set(means[:17].tolist()) == {40.0}
    assert set(means[23:].tolist()) == {200.0}
    assert means[19] < 120 < means[20]
    assert (np.diff(means) >= 0).all()


def test_tracks_of_different_rates_are_refused() -> None:
    rng = np.random.default_rng(0)
    tracks = [make_track(rng, STILL, duration_s=1, fps=fps) for fps in (10, 20)]
    with pytest.raises(ValueError, match="same times"):
        shown_labels(tracks, FER2013_LABELS)
