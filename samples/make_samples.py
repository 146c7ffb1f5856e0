"""Make samples/astronaut.jpg, samples/astronaut.mp4 and selftest.mp4 from NASA's portrait of Eileen Collins.

    pip install av opencv-python scikit-image
    python samples/make_samples.py [FOLDER]

Without a folder each goes to its place; selftest.mp4, what ``fer-live selftest`` works on, to fer_live/assets.

The photograph is in the public domain and comes with scikit-image (``skimage.data.astronaut``). The clip moves a
camera over it, nods and tilts the head, and bends brows and mouth a little, so that tracking, levelling and the
expression have something to do. The motion is made up: it shows nothing that the person did.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

SIZE_WH = (640, 360)
FPS = 25
SECONDS = 7.0
SELFTEST_SIZE_WH = (480, 270)
SELFTEST_FRAMES = 40  # the smile, before anything is made of it
RATE = 44100

Image = NDArray[np.uint8]
Grid = NDArray[np.float32]

# Of the portrait, in its pixels: where the face bends and how wide.
FACE = (223.0, 120.0)
NECK = (224.0, 188.0)
LEFT_CORNER, RIGHT_CORNER = (199.0, 143.0), (241.0, 143.0)
LOWER_LIP = (220.0, 153.0)
LEFT_BROW, RIGHT_BROW = (199.0, 91.0), (247.0, 92.0)
LEFT_INNER_BROW, RIGHT_INNER_BROW = (211.0, 92.0), (233.0, 92.0)

# (time in seconds, value) of each motion; between them it eases in and out.
CAMERA_X = [(0.0, 262.0), (2.5, 228.0), (4.8, 220.0), (7.0, 250.0)]
CAMERA_Y = [(0.0, 150.0), (2.5, 132.0), (4.8, 126.0), (7.0, 144.0)]
CAMERA_WIDTH = [(0.0, 480.0), (2.5, 330.0), (4.8, 300.0), (7.0, 440.0)]
CAMERA_ROLL = [(0.0, 0.0), (4.6, 0.0), (5.4, 16.0), (6.2, 16.0), (7.0, 0.0)]
HEAD_TILT = [(0.0, 0.0), (0.8, 3.0), (1.8, -3.0), (2.8, 1.0), (4.0, -2.0), (5.0, 0.0), (7.0, 0.0)]
HEAD_NOD = [(0.0, 0.0), (1.2, 2.0), (2.0, 0.0), (3.6, -2.0), (4.4, 0.0), (7.0, 0.0)]
FROWN = [(0.0, 0.0), (1.4, 0.0), (2.2, 1.0), (3.0, 1.0), (3.6, 0.0), (7.0, 0.0)]
SURPRISE = [(0.0, 0.0), (3.5, 0.0), (4.2, 1.0), (5.0, 1.0), (5.6, 0.0), (7.0, 0.0)]
BRIGHTNESS = [(0.0, 0.0), (2.0, -18.0), (3.4, 10.0), (5.0, 0.0), (7.0, 0.0)]

CHORDS_HZ = [(220.00, 277.18, 329.63), (246.94, 293.66, 369.99), (220.00, 277.18, 329.63), (196.00, 246.94, 293.66)]


def eased(track: list[tuple[float, float]], time_s: float) -> float:
    """The value of a track at a time, by smoothstep between its points."""
    for (start, low), (end, high) in pairwise(track):
        if time_s <= end:
            part = min(1.0, max(0.0, (time_s - start) / (end - start)))
            return low + (high - low) * part * part * (3 - 2 * part)
    return track[-1][1]


def push(grid: Grid, centre: tuple[float, float], reach: tuple[float, float], by: tuple[float, float]) -> None:
    """Make what lies around ``centre`` move by ``by`` pixels; ``grid`` (H, W, 2) says where each pixel comes from."""
    away = (grid - np.array(centre, np.float32)) / np.array(reach, np.float32)
    weight = np.exp(-0.5 * (away**2).sum(axis=2, keepdims=True))
    grid -= weight * np.array(by, np.float32)


def tilt(grid: Grid, degrees: float, nod: float) -> None:
    """Turn the head around the neck and move it down by ``nod`` pixels; shoulders and background stay."""
    away = grid - np.array(NECK, np.float32)
    across = (grid[..., 0] - FACE[0]) / 95
    above = 1 / (1 + np.exp((grid[..., 1] - 178) / 9))
    weight = (above * np.exp(-(across**4)))[..., None]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = np.stack([away[..., 0] * cos + away[..., 1] * sin, -away[..., 0] * sin + away[..., 1] * cos - nod], axis=2)
    grid += weight * (turned - away)


def bend(portrait: Image, time_s: float) -> Image:
    """The portrait with the face as it is at a time."""
    height, width = portrait.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    grid = np.stack([x, y], axis=2)
    tilt(grid, eased(HEAD_TILT, time_s), eased(HEAD_NOD, time_s))
    frown, surprise = eased(FROWN, time_s), eased(SURPRISE, time_s)
    for corner, inwards in ((LEFT_CORNER, 1.0), (RIGHT_CORNER, -1.0)):
        push(grid, corner, (9, 9), (inwards * (3.5 * frown + 4.0 * surprise), 6.0 * frown + 2.0 * surprise))
    push(grid, LOWER_LIP, (13, 8), (0.0, -3.0 * frown + 6.0 * surprise))
    for brow in (LEFT_BROW, RIGHT_BROW):
        push(grid, brow, (13, 6), (0.0, -4.5 * surprise))
    for brow, inwards in ((LEFT_INNER_BROW, 1.0), (RIGHT_INNER_BROW, -1.0)):
        push(grid, brow, (8, 6), (inwards * 2.5 * frown, 4.0 * frown))
    bent = cv2.remap(portrait, grid[..., 0], grid[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return bent.astype(np.uint8, copy=False)


def shot(portrait: Image, time_s: float) -> Image:
    """One frame (360, 640, 3) RGB."""
    bent = bend(portrait, time_s)
    zoom = SIZE_WH[0] / eased(CAMERA_WIDTH, time_s)
    centre = (eased(CAMERA_X, time_s), eased(CAMERA_Y, time_s))
    camera = cv2.getRotationMatrix2D(centre, -eased(CAMERA_ROLL, time_s), zoom)
    to_middle = np.array(SIZE_WH) / 2 - centre
    camera = np.column_stack([camera[:, :2], camera[:, 2] + to_middle])
    frame = cv2.warpAffine(bent, camera, SIZE_WH, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    lit: Image = np.clip(frame + np.rint(eased(BRIGHTNESS, time_s)), 0, 255).astype(np.uint8)
    return lit


def sound() -> NDArray[np.float32]:
    """(1, samples) float32: four soft chords."""
    times = np.arange(int(SECONDS * RATE)) / RATE
    each = SECONDS / len(CHORDS_HZ)
    wave = np.zeros_like(times)
    for number, chord in enumerate(CHORDS_HZ):
        since = times - number * each
        swell = np.clip(since / 0.25, 0, 1) * np.clip((each - since) / 0.25, 0, 1)
        wave += swell * sum(np.sin(2 * math.pi * pitch * times) for pitch in chord)
    return (0.04 * wave).astype(np.float32)[None]


def write_clip(portrait: Image, path: Path) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "21", "preset": "slow", "threads": "1"})
        video.width, video.height = SIZE_WH
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.codec_context.bit_rate = 48_000
        for index in range(round(SECONDS * FPS)):
            frame = av.VideoFrame.from_ndarray(shot(portrait, index / FPS), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = sound()
        for start in range(0, wave.shape[1], 1024):
            part = np.ascontiguousarray(wave[:, start : start + 1024])
            heard = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, start, Fraction(1, RATE)
            container.mux(audio.encode(heard))
        container.mux(audio.encode(None))


def write_selftest(portrait: Image, path: Path) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "veryslow", "threads": "1"})
        video.width, video.height = SELFTEST_SIZE_WH
        video.pix_fmt = "yuv420p"
        for index in range(SELFTEST_FRAMES):
            small = cv2.resize(shot(portrait, 0.8 * index / FPS), SELFTEST_SIZE_WH, interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(small.astype(np.uint8, copy=False), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def main(folder: Path, assets: Path) -> None:
    portrait: Image = data.astronaut()  # type: ignore[no-untyped-call]
    written = cv2.imwrite(
        str(folder / "astronaut.jpg"), cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]
    )
    if not written:
        raise SystemExit(f"{folder}: cannot be written")
    write_clip(portrait, folder / "astronaut.mp4")
    write_selftest(portrait, assets / "selftest.mp4")


if __name__ == "__main__":
    here = Path(__file__).parent
    main(*(2 * [Path(sys.argv[1])] if len(sys.argv) > 1 else [here, here.parent / "fer_live" / "assets"]))
