from collections.abc import Callable, Mapping

import numpy as np
import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Doubt, Expressions, Faces, Predictions, Result
from fer_live.realtime.testing.fakes import grey_frame

Seen = Callable[..., Result]


@pytest.fixture(scope="session")
def seen() -> Seen:
    """Makes a result: its time, its index, and the label, probability and doubt of each track in it."""

    def make(time_s: float, index: int, faces: Mapping[int, tuple[str, float, Doubt | None]]) -> Result:
        n = len(faces)
        random = np.random.default_rng(index)
        smoothed = np.zeros((n, 7), np.float32)
        for row, (label, probability, _) in enumerate(faces.values()):
            smoothed[row] = (1 - probability) / 6
            smoothed[row, FER2013_LABELS.index(label)] = probability
        shown = [FER2013_LABELS.index(label) for label, _, _ in faces.values()]
        raw = Predictions(random.dirichlet(np.ones(7), n).astype(np.float32).reshape(n, 7), FER2013_LABELS)
        said = Expressions(
            raw,
            Predictions(smoothed, FER2013_LABELS),
            np.array(shown, np.int64),
            tuple(doubt for _, _, doubt in faces.values()),
            random.random(n) < 0.5,
        )
        boxes = random.uniform(-5, 90, (n, 4)).astype(np.float32)
        found = Faces(boxes, random.random(n).astype(np.float32), boxes)
        frame = grey_frame(np.zeros((64, 96), np.uint8), index, time_s)
        return Result(frame, found, np.array(list(faces), np.int64), said, {"detect": 1.0}, grabbed_s=10.0)

    return make
