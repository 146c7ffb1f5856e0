"""What is gathered agrees with the rows that ``--save`` writes, and is bounded."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.data.events import EventFinder
from fer_live.realtime.data.rows import FaceRows
from fer_live.realtime.datatypes import Doubt
from fer_live.realtime.report import gathering as module
from fer_live.realtime.report.curves import MOST_BINS, Curves
from fer_live.realtime.report.distribution import Distribution
from fer_live.realtime.report.gathering import Gathering

STATES = st.sampled_from([*FER2013_LABELS, *Doubt])
FRAMES = st.lists(st.dictionaries(st.integers(1, 4), STATES, max_size=3), max_size=40)


Frames = list[dict[int, str | Doubt]]


def gathered(make_result, frames: Frames) -> Gathering:
    gathering = Gathering(FER2013_LABELS, 1 / 25, is_live=False, thumbnails=None)
    for index, faces in enumerate(frames):
        gathering.add(make_result(index / 25, index, faces))
    gathering.end()
    return gathering


@given(FRAMES)
def test_spans_partition_the_frames(make_result, frames: Frames) -> None:
    gathering = gathered(make_result, frames)
    for track, face in gathering.faces.items():
        shown = {index: faces[track] for index, faces in enumerate(frames) if track in faces}
        found: dict[int, str | Doubt] = {}
        for span in face.spans:
            for index in range(round(25 * span.start_s), round(25 * span.end_s)):
                assert index not in found
                found[index] = gathering.states[span.state]
        assert found == shown
        assert face.frames == len(shown) == face.states.sum()
    assert sorted(gathering.faces) == sorted({track for faces in frames for track in faces})


@given(FRAMES)
def test_totals_are_those_of_the_rows(make_result, frames: Frames) -> None:
    gathering, maker, finder = gathered(make_result, frames), FaceRows(FER2013_LABELS), EventFinder()
    names = [column.name for column in maker.columns]
    rows = []
    for index, faces in enumerate(frames):
        result = make_result(index / 25, index, faces)
        rows += [dict(zip(names, row, strict=True)) for row in maker.of(result, 0.0)]
        finder.add(result)
    said = [row["uncertain_why"] or row["shown_label"] for row in rows]
    assert dict(zip(gathering.states, gathering.totals.tolist(), strict=True)) == {
        state: said.count(str(state)) for state in gathering.states
    }
    assert gathering.events() == finder.end() and gathering.all_events == len(gathering.events())


def test_live_a_frame_does_not_stand_for_ever(make_result) -> None:
    gathering = Gathering(FER2013_LABELS, 1 / 25, is_live=True, thumbnails=None)
    for time_s, index in ((0.0, 0), (0.04, 1), (60.0, 2), (60.04, 3)):
        gathering.add(make_result(time_s, index, {1: "happy"}))
    gathering.end()
    ends = [(span.start_s, round(span.end_s, 3)) for span in gathering.faces[1].spans]
    assert ends == [(0.0, 1.04), (60.0, 60.08)]


def test_memory_is_bounded(make_result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SPANS", 300)
    monkeypatch.setattr(module, "MOST_FACES", 5)
    monkeypatch.setattr(module, "MOST_EVENTS", 3)
    labels = ("happy", "sad")
    gathering = Gathering(FER2013_LABELS, 1 / 25, is_live=False, thumbnails=None)
    frames = 3000
    for index in range(frames):
        others = {2 + index // 20: "fear"}  # 150 faces that come and go
        gathering.add(make_result(index / 25, index, {1: labels[index // 7 % 2], **others}))
        assert len(gathering.faces) <= 10 and sum(len(face.spans) for face in gathering.faces.values()) <= 302
    gathering.end()
    assert len(gathering.faces) == 5 and gathering.joined_s > 0
    long = gathering.faces[1]
    assert (long.frames, long.event_count, len(long.events)) == (frames, frames // 7, 3)
    assert gathering.totals.sum() == 2 * frames
    spans = list(long.spans)
    assert spans[0].start_s == 0 and spans[-1].end_s == pytest.approx(frames / 25)
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(spans))


@given(st.integers(1, 5 * MOST_BINS), st.integers(0, 3))
def test_curves_keep_the_mean(count: int, first: int) -> None:
    curves = Curves(0.04, 2)
    step = max(1, count // 50)
    values = {
        index: np.array([index / count, 1 - index / count], np.float32) for index in range(first, first + count, step)
    }
    for index, value in values.items():
        curves.add(7, index * 0.04, value)
    start, means = curves.means(7)
    assert len(means) <= MOST_BINS and curves.is_binned == (max(values) >= MOST_BINS)
    frames = round(curves.bin_s / 0.04)
    for place, mean in enumerate(means, start):
        inside = [value for index, value in values.items() if index // frames == place]
        if inside:
            np.testing.assert_allclose(mean, np.mean(inside, axis=0), atol=1e-6)
        else:
            assert np.isnan(mean).all()
    assert curves.coded(7)[0] == start and len(curves.coded(7)[1]) == means.size


@given(st.lists(st.floats(0.01, 1e6), min_size=1), st.floats(0, 1))
def test_quantiles(values: list[float], share: float) -> None:
    spread = Distribution()
    for value in values:
        spread.add(value)
    found = spread.quantile(share)
    below = sum(value <= found * 1.011 for value in values) / len(values)
    above = sum(value >= found / 1.011 for value in values) / len(values)
    assert below >= share - 1e-9 and above >= 1 - share - 1e-9


def test_a_curve_has_no_hole_where_frames_are_far_apart(make_result) -> None:
    gathering = Gathering(FER2013_LABELS, 0.08, is_live=False, thumbnails=None)
    times = [0.09 * index for index in range(50)] + [6.0, 6.09]
    for index, time_s in enumerate(times):
        gathering.add(make_result(time_s, index, {} if index == 49 else {1: "happy"}))
    gathering.end()
    _, means = gathering.curves.means(1)
    hole = np.flatnonzero(np.isnan(means).any(axis=1)) * 0.08
    assert hole.min() > times[48] and hole.max() < 6.0, "only where the face was not seen"
