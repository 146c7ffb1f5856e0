"""``fer-live selftest``: faces found and read in a bundled clip, written and read back, as a run does it.

The clip shows one face that smiles, from the first frame to the last (``samples/make_samples.py``).
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from fer_live.bundled import MODEL, MODEL_INT8, SELFTEST_CLIP, asset_path
from fer_live.errors import FerLiveError
from fer_live.preprocess import crop_faces
from fer_live.realtime.data.options import DataOptions
from fer_live.realtime.datatypes import Frame
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.inference.cuda_driver import why_no_cuda
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.session import Session
from fer_live.realtime.sinks.options import VideoOptions
from fer_live.realtime.sources.options import SourceOptions
from fer_live.realtime.sources.video_file import FileSource

from .findings import Finding, Mark

__all__ = ["clip", "models", "run"]

_FRAMES = 40
_SIZE_WH = (480, 270)
_FPS = Fraction(25)
_LABEL = "happy"
_LEAST_FACES = 0.9  # of the frames; every detector finds all 40
_LEAST_LABELS = 0.9
_TICK_S = 0.001
_MOST_APART = 0.05
"""Between the probabilities of two builds of the model: 0.004 was seen between float32 and int8 on this clip."""


def clip() -> list[Finding]:
    """The bundled clip is the released one, and all its frames come at their times."""
    try:
        frames = list(_frames())
    except FerLiveError as error:
        return [Finding("read", Mark.TROUBLE, str(error), "bundled-damaged")]
    if trouble := _odd_times([frame.time_s for frame in frames]):
        return [Finding("read", Mark.TROUBLE, f"the bundled clip: {trouble}", "codec")]
    return [Finding("read", Mark.OK, f"{len(frames)} frames of the bundled clip, at their times")]


def run(detector: str) -> list[Finding]:
    """A whole run with a detector: faces, labels, and a video and rows that are complete."""
    if detector == "mediapipe" and find_spec("mediapipe") is None:
        return [Finding(detector, Mark.NOTE, "not installed: not tried", "mediapipe-missing")]
    began_s = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        video, rows = Path(folder) / "out.mp4", Path(folder) / "out.csv"
        options = RunOptions(
            source=SourceOptions(video=str(asset_path(SELFTEST_CLIP))),
            engine=EngineOptions(detector=detector, device="cpu"),
            video=VideoOptions(video),
            data=DataOptions(save=(rows,)),
        )
        try:
            with Session(options) as session:
                session.pipeline.start()
                session.end()
            told, trouble = _read_back(video, rows)
        except FerLiveError as error:
            told, trouble = str(error).replace(f"{folder}/", ""), True
    if trouble:
        return [Finding(detector, Mark.TROUBLE, told, "selftest-run")]
    return [Finding(detector, Mark.OK, f"{told}; {perf_counter() - began_s:.1f} s")]


def models() -> list[Finding]:
    """The bundled model in its builds, and on CUDA where that can be used, reads the clip's faces alike."""
    try:
        reference = OnnxClassifier(asset_path(MODEL), Device.CPU)
        crops = _crops(reference)
        expected = reference.classify(crops).probabilities
        others = {"int8": OnnxClassifier(asset_path(MODEL_INT8), Device.CPU)}
        if why_no_cuda() is None:
            others["cuda"] = OnnxClassifier(asset_path(MODEL), Device.CUDA)
        findings = []
        for name, classifier in others.items():
            found = classifier.classify(crops).probabilities
            findings.append(_agreement(name, expected, found))
    except FerLiveError as error:
        return [Finding("models", Mark.TROUBLE, str(error), "selftest-models")]
    return findings


def _agreement(name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> Finding:
    apart = float(np.abs(found - expected).max(initial=0.0))
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    told = f"{same} of {len(expected)} faces read as float32 reads them, probabilities at most {apart:.3f} apart"
    if same < len(expected) or not apart <= _MOST_APART:
        return Finding(name, Mark.TROUBLE, told, "selftest-models")
    return Finding(name, Mark.OK, told)


def _frames() -> Iterator[Frame]:
    with FileSource(asset_path(SELFTEST_CLIP)) as source:
        yield from source


def _crops(classifier: OnnxClassifier) -> NDArray[np.uint8]:
    """The faces of the clip, (N, 1, S, S) uint8."""
    with create_detector("yunet") as detector:
        crops = [
            crop_faces(frame.y, detector.detect(frame).squares, classifier.contract, limited_range=frame.limited_range)
            for frame in _frames()
        ]
    return np.concatenate(crops)


def _read_back(video: Path, rows: Path) -> tuple[str, bool]:
    """What the outputs hold, a line; and whether something is wrong."""
    with FileSource(video) as source:
        if source.info.size_wh != _SIZE_WH:
            return f"the video is {source.info.size_wh}, expected {_SIZE_WH}", True
        trouble = _odd_times([frame.time_s for frame in source])
    if trouble:
        return f"the video that was written: {trouble}", True
    with rows.open(newline="") as file:
        table = list(csv.DictReader(file))
    faces = len({row["frame"] for row in table})
    labels = sum(row["shown_label"] == _LABEL for row in table)
    told = f"{faces} of {_FRAMES} faces found, {labels} of {len(table)} read as {_LABEL}; video and rows complete"
    return told, faces < _LEAST_FACES * _FRAMES or labels < _LEAST_LABELS * len(table)


def _odd_times(times_s: list[float]) -> str | None:
    """What is wrong with the number and times of the frames."""
    if len(times_s) != _FRAMES:
        return f"{len(times_s)} frames, expected {_FRAMES}"
    late = [(index, time_s) for index, time_s in enumerate(times_s) if abs(time_s - float(index / _FPS)) > _TICK_S]
    if late:
        index, time_s = late[0]
        return f"frame {index} at {time_s:.3f} s, expected {float(index / _FPS):.3f} s"
    return None
