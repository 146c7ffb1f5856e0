"""Two people who cross, one behind the other, rendered from the sample photo and found by the real detector."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_live.realtime.datatypes import Frame
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.testing.fakes import grey_frame
from fer_live.realtime.tracking.finder import FaceFinder
from fer_live.realtime.tracking.motion import MIN_LIKENESS, likeness, patches

SAMPLES = Path(__file__).parents[3] / "samples"
SIZE_WH = (640, 270)
HEAD_WH = (114, 150)
Head = np.ndarray


@pytest.fixture(scope="module")
def heads() -> tuple[Head, Head]:
    """The astronaut, and a double: mirrored and lit from the right (H, W)."""
    photo = cv2.imread(str(SAMPLES / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE)
    one = cv2.resize(photo[20:240, 145:312], HEAD_WH, interpolation=cv2.INTER_AREA)
    light = np.linspace(0.25, 1.3, HEAD_WH[0])
    return one, np.clip(one[:, ::-1] * light, 0, 255).astype(np.uint8)


def crossing(heads: tuple[Head, Head], pace_px: float, frames: int) -> list[Frame]:
    """The first goes to the right in front of the second, who goes to the left at the same pace."""
    mask = np.zeros(HEAD_WH[::-1], np.float32)
    cv2.ellipse(mask, (HEAD_WH[0] // 2, HEAD_WH[1] // 2), (HEAD_WH[0] // 2 - 4, HEAD_WH[1] // 2 - 4), 0, 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (5, 5), 0)
    wall = cv2.resize(np.random.default_rng(0).integers(70, 150, (9, 20), np.uint8), SIZE_WH)
    shown = []
    for index in range(frames):
        way = pace_px * (index - (frames - 1) / 2)
        picture = wall.astype(np.float32)
        for head, x, top in ((heads[1], 320 - way, 56), (heads[0], 320 + way, 64)):
            left = round(x) - HEAD_WH[0] // 2
            low, high = max(0, left), min(SIZE_WH[0], left + HEAD_WH[0])
            if low >= high:
                continue
            part = picture[top : top + HEAD_WH[1], low:high]
            part += mask[:, low - left : high - left] * (head[:, low - left : high - left] - part)
        shown.append(grey_frame(picture.round().astype(np.uint8), index))
    return shown


@pytest.mark.parametrize("detect_every", [None, 1])
@pytest.mark.parametrize("pace_px", [6, 8, 12])
def test_who_is_hidden_behind_another_keeps_the_id(
    heads: tuple[Head, Head], pace_px: int, detect_every: int | None
) -> None:
    frames = crossing(heads, pace_px, frames=2 * round(200 / pace_px) + 1)
    hidden = 0
    with create_detector("yunet") as detector:
        before = detector.detect(frames[0])
        looks = patches(frames[0].y, before.squares)
        assert likeness(looks, looks).min() < MIN_LIKENESS, "two who look alike would prove nothing"
        finder = FaceFinder(detector, detect_every=detect_every)
        for frame in frames:
            found = finder.update(frame)
            hidden += len(found.faces) < 2
            middles = dict(zip(found.track_ids.tolist(), found.faces.squares[:, 0].tolist(), strict=True))
            if frame.index == 0:
                assert len(middles) == 2
                right = min(middles, key=lambda key: middles[key])
    assert finder.track_count == 2
    assert hidden >= 3
    assert len(middles) == 2
    assert max(middles, key=lambda key: middles[key]) == right
