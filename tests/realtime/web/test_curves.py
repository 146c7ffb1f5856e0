import json

import numpy as np
import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Doubt, Expressions, Faces, Predictions, Result
from fer_live.realtime.testing.fakes import grey_frame
from fer_live.realtime.web import curves
from fer_live.realtime.web.curves import Curves

HAPPY, NEUTRAL = FER2013_LABELS.index("happy"), FER2013_LABELS.index("neutral")
FRAME = grey_frame(np.zeros((32, 32), np.uint8), 0, 0.0)


def result(index: int, tracks: list[int], label: int = HAPPY, doubt: Doubt | None = None) -> Result:
    n = len(tracks)
    probabilities = np.full((n, 7), 0.02, np.float32)
    probabilities[:, label] = 0.88
    said = Predictions(probabilities, FER2013_LABELS)
    shown = np.full(n, label, np.int64)
    expressions = Expressions(said, said, shown, (doubt,) * n, np.ones(n, np.bool_))
    boxes = np.zeros((n, 4), np.float32)
    frame = grey_frame(FRAME.y, index, index / 25)
    return Result(frame, Faces(boxes, np.ones(n, np.float32), boxes), np.array(tracks, np.int64), expressions, {})


def test_faces_with_their_points_and_events() -> None:
    drawn = Curves()
    for index in range(50):
        drawn.add(result(index, [7, 9] if index < 25 else [9], NEUTRAL if index < 10 else HAPPY))
    for index in range(50, 60):
        drawn.add(result(index, [9], doubt=Doubt.BLURRED))
    document = drawn.document()
    assert json.loads(json.dumps(document)) == document
    assert (document["labels"], document["end_s"], document["every"]) == (list(FER2013_LABELS), 2.36, 1)
    seven, nine = document["faces"]
    assert (seven["track"], len(seven["time_s"]), len(nine["time_s"])) == (7, 25, 60)
    assert nine["permille"][0][NEUTRAL] == nine["permille"][10][HAPPY] == 880
    assert nine["doubt"][49:51] == [None, "blurred"]
    told = [(event["track"], event["label"], event["onset_s"], event["offset_s"]) for event in document["events"]]
    assert told == [(7, "happy", 0.4, 1.0), (9, "happy", 0.4, 2.0)]


def test_a_long_clip_is_thinned_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_POINTS", 50)
    drawn = Curves()
    for index in range(1000):
        drawn.add(result(index, [1]))
    (face,) = drawn.document()["faces"]
    assert 50 <= len(face["time_s"]) <= 100 and face["frames"] == 1000
    assert len(set(np.diff(np.rint(25 * np.array(face["time_s"]))).tolist())) == 1


def test_of_a_crowd_those_who_are_seen_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_FACES", 3)
    drawn = Curves()
    for index in range(10):
        drawn.add(result(index, list(range(index + 1))))
    document = drawn.document()
    assert [face["track"] for face in document["faces"]] == [0, 1, 2] and document["faces_in_all"] == 10


def test_nothing_seen() -> None:
    assert Curves().document()["faces"] == []
