"""Measure how FER2013 frames a face, and how each detector's boxes lie in that frame.

    python benchmarks/measure_framing.py --data fer2013.npz [--every 4] [--clips CLIP ...]

Prints the tables of docs/framing.md. A FER2013 image is itself the face square: 48 px side, centre (24, 24). Each is
enlarged by 2, 3 and 4 (its face is then 90..190 px high, as in video) with a border of its repeated edge, so that the
detectors find faces that fill it. Clips show whether what was measured on small grey pictures holds for video: there
YuNet's square takes the place of the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_FRAMING
from fer_live.machine import measured_on
from fer_live.realtime.datatypes import Detector, Faces, Frame
from fer_live.realtime.detectors import blazeface
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.detectors.squares import roll_deg
from fer_live.training.data.fer2013 import SIDE, load_fer2013

ZOOMS = (2, 3, 4)
OTHERS_ZOOM = 3
BORDER = 16
PERCENTILES = (5, 25, 50, 75, 95)
NAMES = ("yunet", "haar", "mediapipe")
PORTRAIT = Path(__file__).parents[1] / "samples" / "astronaut.jpg"
PORTRAIT_FACE = (223.0, 120.0, 113.0)
FACE_HEIGHTS = (48, 64, 96, 128, 160, 200, 260, 320)
ANGLES = (-30, -20, -12, 0, 12, 20, 30)
BLAZEFACE_HEIGHTS = (23, 26, 30, 40)
BLAZEFACE_ANGLES = (-25, 0, 15, 40)

Doubles = NDArray[np.float64]


def enlarged(image: NDArray[np.uint8], zoom: int) -> Frame:
    """A FER2013 image as a grey frame, ``zoom`` times as large, with a border of ``BORDER`` of its pixels."""
    large = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    edge = BORDER * zoom
    bordered = cv2.copyMakeBorder(large, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    grey = bordered.astype(np.uint8, copy=False)
    chroma = np.full(((grey.shape[0] + 1) // 2, (grey.shape[1] + 1) // 2), 128, np.uint8)
    return Frame(grey, chroma, chroma, index=0, time_s=0.0, limited_range=False)


def clip_frames(path: Path, every: int) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        for index, decoded in enumerate(container.decode(video=0)):
            if index % every == 0:
                if decoded.width % 2 or decoded.height % 2:
                    raise SystemExit(f"{path}: only frames of even size, please")
                half_wh = decoded.width // 2, decoded.height // 2
                rows = decoded.reformat(format="yuv420p").to_ndarray().astype(np.uint8, copy=False)
                y, chroma = rows[: decoded.height], rows[decoded.height :].reshape(2, half_wh[1], half_wh[0])
                yield Frame(y, chroma[0], chroma[1], index, 0.0)


def nearest(faces: Faces, x: float, y: float) -> int | None:
    """The face whose box's centre is nearest to a point."""
    if not len(faces):
        return None
    centres = (faces.xyxy[:, :2] + faces.xyxy[:, 2:]) / 2
    return int(np.argmin(np.hypot(centres[:, 0] - x, centres[:, 1] - y)))


def row(name: str, values: Doubles) -> str:
    numbers = " | ".join(f"{value:.3f}" for value in np.percentile(values, PERCENTILES))
    return f"| {name} | {len(values)} | {numbers} |"


def header(title: str) -> str:
    columns = " | ".join(f"{p} %" for p in PERCENTILES)
    return f"\n### {title}\n\n| | n | {columns} |\n|---|---|{'---|' * len(PERCENTILES)}"


def measure_images(detector: Detector, images: NDArray[np.uint8], zoom: int) -> tuple[Doubles, Doubles]:
    """Boxes (N, 4) and keypoints (N, 5, 2; NaN where there are none) of the faces, in pixels of the FER2013 image."""
    boxes, keypoints = [], []
    for image in images:
        faces = detector.detect(enlarged(image, zoom))
        middle = (SIDE / 2 + BORDER) * zoom
        best = nearest(faces, middle, middle)
        if best is not None:
            boxes.append(faces.xyxy[best] / zoom - BORDER)
            points = faces.keypoints
            keypoints.append(np.full((5, 2), np.nan) if points is None else points[best] / zoom - BORDER)
    return np.array(boxes, np.float64), np.array(keypoints, np.float64)


def box_rows(boxes: Doubles, squares: Doubles) -> list[str]:
    """Rows of the constants of boxes (N, 4) against the squares (N, 3: centre x, centre y, side) they belong to."""
    height = boxes[:, 3] - boxes[:, 1]
    right = (squares[:, 0] - (boxes[:, 0] + boxes[:, 2]) / 2) / height
    down = (squares[:, 1] - (boxes[:, 1] + boxes[:, 3]) / 2) / height
    return [
        row("square's side / box height", squares[:, 2] / height),
        row("square's centre right of the box's / box height", right),
        row("square's centre below the box's / box height", down),
        row("box width / box height", (boxes[:, 2] - boxes[:, 0]) / height),
    ]


def face_rows(keypoints: Doubles) -> list[str]:
    across = keypoints[:, 1] - keypoints[:, 0]
    roll = np.abs(roll_deg(keypoints[:, :2].astype(np.float32)))
    return [
        row("side / distance between the eyes", SIDE / np.hypot(across[:, 0], across[:, 1])),
        row("eye line / side", keypoints[:, :2, 1].mean(axis=1) / SIDE),
        row("mouth line / side", keypoints[:, 3:, 1].mean(axis=1) / SIDE),
        row("roll, degrees either way", roll.astype(np.float64)),
    ]


def measure_clip(clip: Path, others: list[Detector], yunet: Detector, every: int) -> None:
    boxes: dict[str, list[NDArray[np.float32]]] = {other.name: [] for other in others}
    squares: dict[str, list[NDArray[np.float32]]] = {other.name: [] for other in others}
    for frame in clip_frames(clip, every):
        truth = yunet.detect(frame).squares
        for other in others:
            faces = other.detect(frame)
            for x, y, side, roll in truth:
                best = nearest(faces, x, y)
                if best is None or roll != 0:
                    continue
                centre = (faces.xyxy[best, :2] + faces.xyxy[best, 2:]) / 2
                if np.hypot(*(centre - (x, y))) < side / 3:
                    boxes[other.name].append(faces.xyxy[best])
                    squares[other.name].append(np.array([x, y, side], np.float32))
    for name, found in boxes.items():
        if found:
            print(header(f"{clip.name}: {name} against YuNet's square"))
            print("\n".join(box_rows(np.array(found, np.float64), np.array(squares[name], np.float64))))


def measure_roll(detector: Detector) -> None:
    """Print the roll that the eyes tell for the sample portrait turned by known angles, at several face heights."""
    portrait = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    if portrait is None:
        raise SystemExit(f"{PORTRAIT}: cannot be read")
    x, y, height = PORTRAIT_FACE
    print("\n### Roll by the eyes, degrees, of samples/astronaut.jpg turned by a known angle\n")
    print(f"| face height, px | {' | '.join(f'{angle:+d}' for angle in ANGLES)} |\n|---|{'---|' * len(ANGLES)}")
    for wanted in FACE_HEIGHTS:
        zoom, side = wanted / height, round(2.2 * wanted)
        smooth = cv2.GaussianBlur(portrait, (0, 0), 0.3 / zoom) if zoom < 1 else portrait
        cells = []
        for angle in ANGLES:
            matrix = cv2.getRotationMatrix2D((x, y), -angle, zoom)
            matrix = matrix + np.array([[0, 0, side / 2 - x], [0, 0, side / 2 - y]])
            turned = cv2.warpAffine(
                smooth, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            ).astype(np.uint8, copy=False)
            chroma = np.full(((side + 1) // 2, (side + 1) // 2), 128, np.uint8)
            points = detector.detect(Frame(turned, chroma, chroma, 0, 0.0, limited_range=False)).keypoints
            cells.append("none" if points is None else f"{roll_deg(points[:1, :2])[0]:+.0f}")
        print(f"| {wanted} | {' | '.join(cells)} |")


def measure_small_roll() -> None:
    """Print the roll that BlazeFace's eyes tell of a small face, by the whole frame and by another look at the face."""
    portrait = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    if portrait is None:
        raise SystemExit(f"{PORTRAIT}: cannot be read")
    x, y, height = PORTRAIT_FACE
    chroma = np.full((360, 640), 128, np.uint8)
    print("\n### Roll by BlazeFace's eyes, degrees: 5 %, 50 %, 95 % of 21 places of the portrait in 1280 x 720\n")
    print("| face height, px of the network's 128 | turned by | found | one look | two looks |\n|---|---|---|---|---|")
    for wanted, angle in product(BLAZEFACE_HEIGHTS, BLAZEFACE_ANGLES):
        cells = []
        for least in (0, 10**6):
            blazeface.EYES_PX = least
            with blazeface.MediaPipeDetector(framing=replace(FER2013_FRAMING, level_beyond_deg=0.0)) as detector:
                told = []
                for place in product((440, 510, 590, 640, 700, 810, 900), (300, 360, 405)):
                    matrix = cv2.getRotationMatrix2D((x, y), -angle, 10 * wanted / height)
                    matrix = matrix + np.array([[0, 0, place[0] - x], [0, 0, place[1] - y]])
                    turned = cv2.warpAffine(portrait, matrix, (1280, 720), borderMode=cv2.BORDER_REPLICATE)
                    grey = turned.astype(np.uint8, copy=False)
                    faces = detector.detect(Frame(grey, chroma, chroma, 0, 0.0, limited_range=False))
                    told += faces.squares[:1, 3].tolist()
                cells.append(", ".join(f"{part:+.0f}" for part in np.percentile(told, (5, 50, 95))) if told else "-")
        print(f"| {wanted} | {angle:+d} | {len(told)} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FER2013 as .npz, .csv or folder")
    parser.add_argument("--every", type=int, default=4, help="use every N-th Training image (default 4)")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="video files with faces")
    arguments = parser.parse_args()

    data = load_fer2013(arguments.data)
    images = data.images[data.training_rows()[:: arguments.every]]
    print(measured_on(("opencv-python", "onnxruntime-gpu", "mediapipe")), f"{len(images)} images", sep="; ")

    # What one look tells; a framing that levels no face asks for no second one.
    one_look = replace(FER2013_FRAMING, level_beyond_deg=180.0)
    with create_detector("yunet") as yunet, create_detector("yunet", framing=one_look) as once:
        everything = [measure_images(once, images, zoom) for zoom in ZOOMS]
        for zoom, (boxes, keypoints) in zip(ZOOMS, everything, strict=True):
            print(header(f"YuNet on FER2013 enlarged by {zoom} (found in {len(boxes) / len(images):.1%})"))
            print("\n".join(box_rows(boxes, whole(len(boxes))) + face_rows(keypoints)))
        boxes, keypoints = (np.concatenate(parts) for parts in zip(*everything, strict=True))
        print(header("YuNet, all enlargements together"))
        print("\n".join(box_rows(boxes, whole(len(boxes))) + face_rows(keypoints)))
        print(f"\nThe contract says: {FER2013_FRAMING}")

        measure_roll(once)

        others = [create_detector(name, verify_eyes=False) for name in NAMES[1:]]
        for other in others:
            boxes, _ = measure_images(other, images, OTHERS_ZOOM)
            share = len(boxes) / len(images)
            print(header(f"{other.name} on FER2013 enlarged by {OTHERS_ZOOM} (found in {share:.1%})"))
            print("\n".join(box_rows(boxes, whole(len(boxes)))))
        for clip in arguments.clips:
            measure_clip(clip, others, yunet, every=15)
        for other in others:
            other.__exit__(None, None, None)
        measure_small_roll()


def whole(count: int) -> Doubles:
    """The squares of FER2013 images: the whole of each."""
    return np.tile(np.array([SIDE / 2, SIDE / 2, SIDE]), (count, 1))


if __name__ == "__main__":
    main()
