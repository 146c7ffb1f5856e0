"""Compare the detectors' speed: YuNet in onnxruntime and in OpenCV, BlazeFace in MediaPipe, Haar.

    python benchmarks/detectors.py CLIP [--size 320 640] [--frames 40] [--rounds 5]

One thread each, the ways interleaved frame by frame, so that whatever else the machine does slows all of them alike:
read the ratios, not the milliseconds. The times include the making of the small copy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from fer_live.bundled import DETECTOR_YUNET, asset_path
from fer_live.errors import DeviceError
from fer_live.machine import measured_on
from fer_live.realtime.datatypes import Frame
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.detectors.yunet import MULTIPLE
from fer_live.realtime.downscale import downscaled_bgr

REFERENCE = "yunet, onnxruntime"


def clip_frames(path: Path, count: int) -> list[Frame]:
    """``count`` frames of a clip, evenly spread over its first seconds."""
    frames = []
    with av.open(str(path)) as container:
        for index, decoded in enumerate(container.decode(video=0)):
            if index % 5 == 0:
                width, height = decoded.width // 2 * 2, decoded.height // 2 * 2
                rows = decoded.reformat(width, height, "yuv420p").to_ndarray().astype(np.uint8, copy=False)
                y, chroma = rows[:height], rows[height:].reshape(2, height // 2, width // 2)
                frames.append(Frame(y, chroma[0], chroma[1], index=index, time_s=0.0))
            if len(frames) == count:
                break
    return frames


def opencv_yunet(detect_size: int) -> Callable[[Frame], int]:
    detector = cv2.FaceDetectorYN.create(str(asset_path(DETECTOR_YUNET)), "", (32, 32), 0.7, 0.3, 5000)

    def detect(frame: Frame) -> int:
        small = downscaled_bgr(frame, detect_size, MULTIPLE).image
        detector.setInputSize((small.shape[1], small.shape[0]))
        rows = detector.detect(small)[1]
        return 0 if rows is None else len(rows)

    return detect


def ways(detect_size: int, opened: ExitStack) -> dict[str, Callable[[Frame], int]]:
    yunet = opened.enter_context(create_detector("yunet", detect_size=detect_size))
    haar = opened.enter_context(create_detector("haar", detect_size=detect_size, verify_eyes=False))
    verified = opened.enter_context(create_detector("yunet", detect_size=detect_size, verify_eyes=True))
    every: dict[str, Callable[[Frame], int]] = {
        REFERENCE: lambda frame: len(yunet.detect(frame)),
        "yunet, cv2.FaceDetectorYN": opencv_yunet(detect_size),
        "yunet, onnxruntime, eyes verified": lambda frame: len(verified.detect(frame)),
        "haar": lambda frame: len(haar.detect(frame)),
        "small copy alone": lambda frame: len(downscaled_bgr(frame, detect_size, MULTIPLE).image),
    }
    try:
        mediapipe = opened.enter_context(create_detector("mediapipe", detect_size=detect_size))
        every["mediapipe"] = lambda frame: len(mediapipe.detect(frame).xyxy)
    except DeviceError as error:
        print(f"(without mediapipe: {error})")
    return every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--size", type=int, nargs="+", default=[320, 640], help="detect_size (default 320 640)")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    cv2.setNumThreads(1)
    frames = clip_frames(arguments.clip, arguments.frames)
    print(measured_on(("opencv-python", "onnxruntime-gpu", "mediapipe", "numpy")))
    width, height = frames[0].size_wh
    for detect_size in arguments.size:
        spent: dict[str, list[float]] = {}
        with ExitStack() as opened:
            every = ways(detect_size, opened)
            for frame in frames[:5]:
                for detect in every.values():
                    detect(frame)
            for _ in range(arguments.rounds):
                for frame in frames:
                    for name, detect in every.items():
                        start = time.perf_counter()
                        detect(frame)
                        spent.setdefault(name, []).append((time.perf_counter() - start) * 1000)
        n = len(frames) * arguments.rounds
        print(f"\n{width} x {height} frames, detect_size {detect_size}, n = {n} each, medians\n")
        print("| | ms | times the first |\n|---|---|---|")
        for name, times in spent.items():
            print(f"| {name} | {median(times):.2f} | {median(times) / median(spent[REFERENCE]):.2f} |")


if __name__ == "__main__":
    main()
