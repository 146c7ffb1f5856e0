"""Make the pictures of the sample portrait in the guide and the README: ``python docs/sample_pictures.py``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.bundled import MODEL, asset_path

DOCS = Path(__file__).resolve().parent
SAMPLES, IMAGES = DOCS.parent / "samples", DOCS / "images"
FRAME = 145
STYLES = ("blur", "mosaic", "box")
PART_HW, GAP_PX = (300, 340), 8
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]


def run(*arguments: str | Path) -> None:
    """``fer-live`` with these arguments, on the CPU."""
    program = Path(sys.executable).with_name("fer-live")
    subprocess.run([program, *arguments, "--device", "cpu", "--no-window"], check=True, stdout=subprocess.DEVNULL)


def photographed(folder: Path, *options: str) -> NDArray[np.uint8]:
    """The photo annotated, (H, W, 3) BGR uint8."""
    written = folder / "photo.png"
    run("--image", SAMPLES / "astronaut.jpg", *options, "--out", written)
    picture = cv2.imread(str(written))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def annotated(folder: Path, *options: str | Path) -> NDArray[np.uint8]:
    """A frame of the annotated clip, (H, W, 3) BGR uint8."""
    run("--video", SAMPLES / "astronaut.mp4", *options, "--out", folder / "clip.mp4")
    with av.open(str(folder / "clip.mp4")) as clip:
        frame = next(frame for index, frame in enumerate(clip.decode(video=0)) if index == FRAME)
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def main() -> None:
    """Annotate the clip and the photo, cover the photo's head in every style, and keep what comes out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cv2.imwrite(str(IMAGES / "annotated.jpg"), annotated(folder), QUALITY)
        compared = annotated(folder, "--compare", asset_path(MODEL))
        cv2.imwrite(str(IMAGES / "compare.jpg"), compared, QUALITY)

        whole = photographed(folder)
        cv2.imwrite(str(IMAGES / "photo.jpg"), whole, QUALITY)
        parts = [whole, *(photographed(folder, "--anonymise", style) for style in STYLES)]
        height, width = PART_HW
        gap = np.full((height, GAP_PX, 3), 255, np.uint8)
        row = [piece for part in parts for piece in (gap, part[:height, 60 : 60 + width])][1:]
        cv2.imwrite(str(IMAGES / "anonymised.jpg"), np.concatenate(row, axis=1), QUALITY)


if __name__ == "__main__":
    main()
