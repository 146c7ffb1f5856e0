from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.data.counts import RunCounts
from fer_live.realtime.data.manifest import now_utc
from fer_live.realtime.datatypes import Doubt, Expressions, Faces, Predictions, Result, SourceInfo
from fer_live.realtime.report.report_sink import ReportSink
from fer_live.realtime.report.thumbnails import Thumbnails
from fer_live.realtime.testing.fakes import grey_frame

INFO = SourceInfo("clip.mp4", (96, 64), Fraction(25), None, is_live=False)
Shown = Mapping[int, str | Doubt]


Maker = Callable[..., Result]


@pytest.fixture(scope="session")
def make_result() -> Maker:
    """Makes a frame on which each track shows a label, or a doubt."""
    return _make_result


def _make_result(time_s: float, index: int, faces: Shown, labels: tuple[str, ...] = FER2013_LABELS) -> Result:
    n = len(faces)
    random = np.random.default_rng(index)
    shown = [0 if isinstance(state, Doubt) else labels.index(state) for state in faces.values()]
    smoothed = random.dirichlet(np.ones(len(labels)), n).astype(np.float32).reshape(n, len(labels))
    smoothed[np.arange(n), shown] += 1
    smoothed /= smoothed.sum(axis=1, keepdims=True)
    said = Predictions(smoothed, labels)
    doubts = tuple(state if isinstance(state, Doubt) else None for state in faces.values())
    expressions = Expressions(said, said, np.array(shown, np.int64), doubts, np.ones(n, np.bool_))
    squares = np.tile(np.array([[48, 32, 40, 3]], np.float32), (n, 1))
    boxes = np.tile(np.array([[30, 10, 66, 54]], np.float32), (n, 1))
    frame = grey_frame(random.integers(0, 255, (64, 96), np.uint8), index, time_s)
    return Result(
        frame, Faces(boxes, np.ones(n, np.float32), squares), np.array(list(faces), np.int64), expressions, {}
    )


@pytest.fixture
def write_report(tmp_path: Path) -> Callable[..., Path]:
    """Writes the report of frames as ``{track: label or doubt}`` at 25 fps, and gives its path."""

    def write(frames: list[Shown], info: SourceInfo = INFO, labels=FER2013_LABELS, thumbnails: bool = False) -> Path:
        path, counts = tmp_path / "out.html", RunCounts()
        options = {"compare": "/home/someone/other.onnx", "snapshots": "/home/someone", "smooth": True, "device": None}
        facts = {"options": options, "model": {"file": "m.onnx", "sha256": "ab" * 32, "provider": "CPU"}}
        pictures = Thumbnails() if thumbnails else None
        with ReportSink(path, labels, info, None, facts, counts, now_utc(), pictures) as sink:
            for index, faces in enumerate(frames):
                result = _make_result(index / 25, index, faces, labels)
                counts.write(result)
                if pictures is not None:
                    pictures.look(result)
                sink.write(result)
            sink.finish()
        return path

    return write
