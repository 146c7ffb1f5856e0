"""Measure what YuNet tells of faces that are turned by known angles, and what the classifier then answers.

    python benchmarks/turned_faces.py [--data fer2013.npz] [PICTURE ...]

Prints tables of docs/framing.md. Of every picture (a photo, or a clip's first frame) each face that is held upright is
turned together with its surroundings and scaled to known heights in the middle of a frame, which the detector searches
at its full size. What is told is compared with the upright face: the square's middle and side, and the classifier's
answer. The roll that the turn is added to is what looks at the face alone tell once it stands level.

With FER2013, every so many images of its PublicTest, enlarged and turned likewise, are found, cropped and labelled,
too: what is left of the accuracy after the whole path.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_FRAMING
from fer_live.machine import measured_on
from fer_live.preprocess import crop_faces
from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.detectors import second_look
from fer_live.realtime.detectors.yunet import YuNetDetector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.training.data.fer2013 import Usage, load_fer2013

SIDE = 480
HEIGHTS = (48, 72, 100, 140, 200, 280)
ANGLES = tuple(range(-60, 61, 10))
MOST_ENLARGED = 2.0
COLUMNS = (
    "height, px of the copy",
    "turned by",
    "looks again",
    "found",
    "roll wrong by, 50 % and 90 %",
    "middle off, % of the side",
    "side off, %",
    "label of the upright face, %",
    "divergence, nats",
    "ms",
)
FER2013_HEIGHTS = (80, 200)
FER2013_ANGLES = (0, 15, 30, 45)

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """What was told of a turned face: errors in degrees and in shares of the side; NaN where it was not found."""

    height: int
    angle: int
    roll: float = np.nan
    middle: float = np.nan
    side: float = np.nan
    divergence: float = np.nan
    same: float = np.nan
    ms: float = np.nan


def picture(path: Path) -> NDArray[np.uint8]:
    """BGR of a photo or of a clip's first frame."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def framed(bgr: NDArray[np.uint8]) -> Frame:
    """A picture as a frame, its last row or column left out where their number is odd."""
    height, width = bgr.shape[0] & ~1, bgr.shape[1] & ~1
    rows = cv2.cvtColor(np.ascontiguousarray(bgr[:height, :width]), cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
    chroma = rows[height:].reshape(2, height // 2, width // 2)
    return Frame(rows[:height], chroma[0], chroma[1], 0, 0.0)


def turned(bgr: NDArray[np.uint8], square: Doubles, angle: int, height: int) -> Frame:
    """A frame with a face in its middle, so high and turned clockwise by so much; its surroundings are repeated."""
    zoom = height / square[2]
    smooth = cv2.GaussianBlur(bgr, (0, 0), 0.45 / zoom) if zoom < 0.8 else bgr
    matrix = cv2.getRotationMatrix2D((float(square[0]), float(square[1])), -angle, zoom)
    matrix[:, 2] += SIDE / 2 - square[:2]
    image = cv2.warpAffine(smooth, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(
        np.uint8, copy=False
    )
    return framed(image)


def middle_face(faces: Faces, height: float) -> int | None:
    """The face that stands in the middle."""
    if not len(faces):
        return None
    apart = np.hypot(*(faces.squares[:, :2] - SIDE / 2).T)
    return int(apart.argmin()) if apart.min() < height / 2 else None


def answers(classifier: OnnxClassifier, frame: Frame, square: Doubles) -> Doubles:
    crops = crop_faces(frame.y, square[None].astype(np.float32), classifier.contract, limited_range=frame.limited_range)
    return classifier.classify(crops).probabilities[0].astype(np.float64)


def measure(
    detector: YuNetDetector, classifier: OnnxClassifier, bgr: NDArray[np.uint8], square: Doubles, held: float
) -> Iterator[Told]:
    """What is told of one face, whose square in the picture and natural roll are given, at every height and angle."""
    for height in HEIGHTS:
        if height > MOST_ENLARGED * square[2]:
            continue
        upright = turned(bgr, square, 0, height)
        wanted = answers(classifier, upright, np.array([SIDE / 2, SIDE / 2, height, 0.0]))
        for angle in ANGLES:
            frame = turned(bgr, square, angle, height)
            began = time.perf_counter()
            faces = detector.detect(frame)
            ms = 1000 * (time.perf_counter() - began)
            if (row := middle_face(faces, height)) is None:
                yield Told(height, angle)
                continue
            x, y, side, roll = faces.squares[row].astype(np.float64)
            found = answers(classifier, frame, faces.squares[row].astype(np.float64))
            yield Told(
                height,
                angle,
                abs(roll - held - angle),
                float(np.hypot(x - SIDE / 2, y - SIDE / 2)) / height,
                abs(side / height - 1),
                float((wanted * np.log(wanted / found)).sum()),
                float(wanted.argmax() == found.argmax()),
                ms,
            )


def upright_faces(one: YuNetDetector, often: YuNetDetector, bgr: NDArray[np.uint8]) -> Iterator[tuple[Doubles, float]]:
    """Square and natural roll of the faces of a picture that are held within the contract's limit."""
    faces = one.detect(framed(bgr), max(bgr.shape[:2]))
    for square in faces.squares.astype(np.float64):
        close = often.detect(turned(bgr, square, 0, 200))
        if (row := middle_face(close, 200)) is not None:
            held = float(close.squares[row, 3])
            if abs(held) <= FER2013_FRAMING.level_beyond_deg:
                yield square, held


def accuracies(data: Path, every: int, detector: YuNetDetector, classifier: OnnxClassifier) -> None:
    """Print how often turned images of FER2013's PublicTest are labelled rightly once they are found."""
    fer2013 = load_fer2013(data)
    rows = fer2013.rows(Usage.PublicTest)[::every]
    print("| height, px of the copy | turned by | found | right by one look, % | by more looks, % | levelled, % |")
    print("|---|---|---|---|---|---|")
    most = second_look.MOST_LOOKS
    for height, angle in product(FER2013_HEIGHTS, FER2013_ANGLES):
        right: list[tuple[bool, bool]] = []
        levelled = 0
        for row in rows:
            bgr = cv2.cvtColor(fer2013.images[row], cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
            frame = turned(bgr, np.array([24.0, 24.0, 48.0]), angle, height)
            squares = []
            for looks in (0, most):
                second_look.MOST_LOOKS = looks
                faces = detector.detect(frame)
                found = middle_face(faces, height)
                squares += [] if found is None else [faces.squares[found].astype(np.float64)]
            if squares:
                once, often = (
                    answers(classifier, frame, square).argmax() == fer2013.expression[row] for square in squares
                )
                right.append((bool(once), bool(often)))
                levelled += squares[1][3] != 0
        shares = "- | - | -"
        if right:
            once_share, often_share = 100 * np.mean(right, axis=0)
            shares = f"{once_share:.1f} | {often_share:.1f} | {100 * levelled / len(right):.0f}"
        print(f"| {height} | {angle} | {len(right)} of {len(rows)} | {shares} |")


def cells(rows: list[Told]) -> str:
    found = [told for told in rows if not np.isnan(told.roll)]
    if not found:
        return f"0 of {len(rows)}" + " | -" * 6
    roll, middle, side, divergence = (
        np.array([getattr(told, name) for told in found]) for name in ("roll", "middle", "side", "divergence")
    )
    return (
        f"{len(found)} of {len(rows)} | {np.median(roll):.0f}, {np.percentile(roll, 90):.0f}"
        f" | {100 * np.median(middle):.0f} | {100 * np.median(side):.0f}"
        f" | {100 * np.mean([told.same for told in found]):.0f} | {np.median(divergence):.2f}"
        f" | {np.median([told.ms for told in found]):.1f}"
    )


def print_turned(told: dict[int, list[Told]]) -> None:
    """Print what was told, by the number of looks, of faces of about a size that were turned as far."""
    print("\n### Faces turned by known angles, YuNet\n")
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for low, high in pairwise((0, second_look.LARGE_PX, SIDE)):
        for angle in ANGLES[len(ANGLES) // 2 :]:
            for looks, rows in told.items():
                part = [row for row in rows if low <= row.height < high and abs(row.angle) == angle]
                print(f"| {low or HEIGHTS[0]} to {min(high, HEIGHTS[-1])} | {angle} | {looks} | {cells(part)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="*", help="photos, or clips of which the first frame is taken")
    parser.add_argument("--data", type=Path, help="FER2013 as .npz, .csv or folder")
    parser.add_argument("--every", type=int, default=6, help="use every N-th image of PublicTest (default 6)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    classifier = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
    most, tilted_deg = second_look.MOST_LOOKS, second_look.TILTED_DEG
    told: dict[int, list[Told]] = {0: [], most: []}
    count = 0
    never_level = replace(FER2013_FRAMING, level_beyond_deg=180.0)
    all_level = replace(FER2013_FRAMING, level_beyond_deg=0.0)
    with (
        YuNetDetector() as detector,
        YuNetDetector(framing=never_level) as once,
        YuNetDetector(framing=all_level) as always,
    ):
        for path in arguments.pictures:
            bgr = picture(path)
            second_look.TILTED_DEG = 0.0
            faces = list(upright_faces(once, always, bgr))
            second_look.TILTED_DEG = tilted_deg
            count += len(faces)
            for looks, rows in told.items():
                second_look.MOST_LOOKS = looks
                for square, held in faces:
                    rows += measure(detector, classifier, bgr, square, held)
            second_look.MOST_LOOKS = most
        print(measured_on(("opencv-python", "onnxruntime-gpu")), f"{count} faces", sep="; ")
        if told[0]:
            print_turned(told)
        if arguments.data is not None:
            print("\n### FER2013's PublicTest, turned, found, cropped and labelled\n")
            accuracies(arguments.data, arguments.every, detector, classifier)


if __name__ == "__main__":
    main()
