"""An event is a run of one label; checked against what the frames say, for any frames."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.data.events import BRIDGED_S, LEAST_S, NEUTRAL, Event, EventFinder
from fer_live.realtime.datatypes import Doubt

STEP_S = 0.04

LABELS = st.sampled_from(["happy", "sad", "fear", NEUTRAL])
FACES = st.dictionaries(
    st.integers(1, 3), st.tuples(LABELS, st.floats(0.2, 1.0), st.sampled_from([None, None, None, Doubt.BLURRED]))
)
FRAMES = st.lists(st.tuples(FACES, st.integers(1, 6)), max_size=25).map(
    lambda runs: [faces for faces, length in runs for _ in range(length)]
)


def events_of(seen, frames, step_s: float = STEP_S) -> list[Event]:
    finder = EventFinder()
    for index, faces in enumerate(frames):
        finder.add(seen(index * step_s, index, faces))
    return finder.end()


def run(*parts: tuple[str | None, int]) -> list[dict]:
    """Frames of track 1: label, how many."""
    return [{} if label is None else {1: (label, 0.8, None)} for label, count in parts for _ in range(count)]


@given(frames=FRAMES)
def test_events_of_any_video(frames, seen) -> None:
    events = events_of(seen, frames)
    assert events == sorted(events, key=lambda event: (event.onset_s, event.track))
    for event in events:
        assert event.onset_s <= event.apex_s < event.offset_s
        assert event.offset_s - event.onset_s >= LEAST_S - 1e-9
        assert event.offset_s <= len(frames) * STEP_S + 1e-9
        within = range(event.first_frame, event.last_frame + 1)
        meant = {
            index
            for index in within
            if (face := frames[index].get(event.track)) and face[0] == event.label and face[2] is None
        }
        assert event.label != NEUTRAL
        assert {event.first_frame, event.last_frame} <= meant
        assert all((b - a - 1) * STEP_S < BRIDGED_S for a, b in pairwise(sorted(meant)))
        probabilities = {index: frames[index][event.track][1] for index in meant}
        assert event.strength == pytest.approx(max(probabilities.values()))
        assert probabilities[round(event.apex_s / STEP_S)] == pytest.approx(event.strength)
        assert event.mean == pytest.approx(sum(probabilities.values()) / len(meant))
    for track in (1, 2, 3):
        mine = [event for event in events if event.track == track]
        assert all(one.offset_s <= other.onset_s for one, other in pairwise(mine))


@given(frames=FRAMES)
def test_no_long_run_is_missed(frames, seen) -> None:
    """Wherever one label stands without a break for the least time twice over, some event of it is there."""
    events = events_of(seen, frames)
    need = round(2 * (LEAST_S + BRIDGED_S) / STEP_S)
    for start in range(len(frames) - need + 1):
        part = [frames[index].get(1) for index in range(start, start + need)]
        if all(face and face[2] is None and face[0] == part[0][0] != NEUTRAL for face in part):
            label, from_s, to_s = part[0][0], start * STEP_S, (start + need) * STEP_S
            assert any(
                event.track == 1 and event.label == label and event.onset_s < to_s and event.offset_s > from_s
                for event in events
            )


@pytest.mark.parametrize("between", ["sad", NEUTRAL, None])
def test_a_short_interruption_is_bridged(between, seen) -> None:
    (event,) = events_of(seen, run(("happy", 10), (between, 4), ("happy", 10), (NEUTRAL, 10)))
    assert (event.label, event.first_frame, event.last_frame) == ("happy", 0, 23)
    assert event.offset_s == pytest.approx(24 * STEP_S)


@pytest.mark.parametrize("between", [NEUTRAL, None])
def test_a_longer_one_ends_it_where_it_began(between, seen) -> None:
    one, other = events_of(seen, run(("happy", 10), (between, 6), ("happy", 10)))
    assert (one.first_frame, one.last_frame, other.first_frame, other.last_frame) == (0, 9, 16, 25)
    assert one.offset_s == pytest.approx(10 * STEP_S) and other.offset_s == pytest.approx(26 * STEP_S)


def test_one_expression_follows_another(seen) -> None:
    one, other = events_of(seen, run((NEUTRAL, 3), ("happy", 10), ("surprise", 10), (NEUTRAL, 3)))
    assert (one.label, other.label) == ("happy", "surprise")
    assert one.offset_s == other.onset_s == pytest.approx(13 * STEP_S)


def test_too_short_is_left_out(seen) -> None:
    assert events_of(seen, run((NEUTRAL, 5), ("happy", 4), (NEUTRAL, 20))) == []


def test_doubt_is_no_event(seen) -> None:
    assert events_of(seen, [{1: ("happy", 0.9, Doubt.TURNED_AWAY)}] * 20) == []


def test_nothing_seen(seen) -> None:
    assert EventFinder().end() == []
    assert events_of(seen, run(("happy", 1))) == []
