"""What is written over the whole picture can be read on any background and any size, and touches nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Frame
from fer_live.realtime.view.hud import HudFigures, StageFigures, banner, draw_hud, notice

FIGURES = HudFigures(
    stages=tuple(StageFigures(name, 1.25, 12.5) for name in ("read", "detect", "track", "classify", "draw", "write")),
    fps=29.97,
    age_ms=23.4,
    dropped=3,
    provider="CPUExecutionProvider",
    detector="yunet",
    faces=4,
)
SIZES = [(640, 360), (1280, 720), (721, 1281), (3840, 2160)]


def flat_frame(width: int, height: int, luma: int, chroma: int = 128, *, limited_range: bool = True) -> Frame:
    half = ((height + 1) // 2, (width + 1) // 2)
    u, v = (np.full(half, chroma, np.uint8) for _ in range(2))
    return Frame(np.full((height, width), luma, np.uint8), u, v, 0, 0.0, limited_range=limited_range)


def hud(frame: Frame) -> None:
    draw_hud(frame, FIGURES)


def small_notice(frame: Frame) -> None:
    notice(frame, "expression analysis on")


def lost(frame: Frame) -> None:
    banner(frame, "camera lost, reconnecting...")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", [hud, small_notice, lost])
def test_readable_on_any_background(draw: Callable[[Frame], None], size: tuple[int, int]) -> None:
    """It looks the same on black and on saturated white, lies inside the frame, and has ink and ground far apart."""
    black, white = flat_frame(*size, 16, 20), flat_frame(*size, 235, 230)
    draw(black)
    draw(white)
    mask = black.y == white.y
    top, left = np.argwhere(mask).min(0)
    bottom, right = np.argwhere(mask).max(0) + 1
    assert mask[top:bottom, left:right].all(), "one rectangle"
    assert bottom <= size[1] and right <= size[0] and (bottom - top) * (right - left) < 0.35 * size[0] * size[1]
    assert ((black.u == white.u).repeat(2, 0).repeat(2, 1)[: size[1], : size[0]] == mask).all()
    shown = black.y[top:bottom, left:right].astype(int)
    assert shown.max() - shown.min() > 120
    assert (black.y[~mask] == 16).all() and (white.y[~mask] == 235).all()


@pytest.mark.parametrize(
    "change",
    [
        {"fps": 12.3},
        {"age_ms": 99.0},
        {"age_ms": None},
        {"dropped": 4},
        {"provider": "CUDAExecutionProvider"},
        {"detector": "haar"},
        {"faces": 5},
        {"stages": (*FIGURES.stages[:-1], StageFigures("write", 1.25, 12.7))},
        {"stages": (*FIGURES.stages[:-1], StageFigures("write", 1.35, 12.5))},
    ],
)
def test_each_figure_is_seen(change: dict[str, object]) -> None:
    one, other = (flat_frame(640, 360, 90) for _ in range(2))
    draw_hud(one, FIGURES)
    draw_hud(other, replace(FIGURES, **change))  # type: ignore[arg-type]
    assert (one.y != other.y).any()


def test_the_hud_fits_a_small_video() -> None:
    """At 360p with six stages nothing of it is cut off: there is picture under it and beside it."""
    frame = flat_frame(640, 360, 90)
    draw_hud(frame, FIGURES)
    assert (frame.y[-40:] == 90).all() and (frame.y[:, -200:] == 90).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 300), st.text(max_size=60), st.booleans())
def test_any_text_on_any_frame(width: int, height: int, text: str, limited_range: bool) -> None:
    for draw in (banner, notice):
        frames = [flat_frame(width, height, luma, limited_range=limited_range) for luma in (60, 60)]
        for frame in frames:
            draw(frame, text)
        assert (frames[0].y == frames[1].y).all() and frames[0].y.shape == (height, width)
    draw_hud(frames[0], replace(FIGURES, stages=(), provider=text))


def test_a_long_banner_is_made_smaller_and_then_cut() -> None:
    """The ink never reaches the frame's edges."""
    for text in ("short", "a network stream that does not answer since a while", "word " * 200):
        frame = flat_frame(640, 360, 90)
        banner(frame, text)
        middle = frame.y[180]
        ground = int(middle[0])
        assert (frame.y[170:190, :20] == ground).all() and (frame.y[170:190, -20:] == ground).all()
        assert (frame.y[170:190] < ground - 60).any()


def test_a_model_of_any_name() -> None:
    """OpenCV crashes on text with bytes that are no UTF-8."""
    for name in ("Müller.onnx", "caf\udce9.onnx", "日本.onnx", ""):
        draw_hud(flat_frame(640, 360, 90), replace(FIGURES, model=name))
