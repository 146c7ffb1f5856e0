"""How many frames are let in."""

import threading
from dataclasses import replace

import pytest

from fer_live.realtime.admission import AIM_S, FRESH_S, LATE, LATELY, MOST, SLOW_S, Admission
from fer_live.realtime.channel import Aborted
from fer_live.realtime.datatypes import Result
from fer_live.realtime.testing.clips import make_frame
from fer_live.realtime.testing.fakes import make_result


def test_lets_in_as_many_as_there_is_room_for() -> None:
    admission, entered = Admission(), []

    def enter() -> None:
        for index in range(MOST + 1):
            admission.enter()
            entered.append(index)

    thread = threading.Thread(target=enter)
    thread.start()
    while len(entered) < MOST:
        pass
    assert entered == list(range(MOST)) and thread.is_alive()
    admission.leave()
    thread.join(60)
    assert entered == list(range(MOST + 1))


def test_one_at_a_time_while_a_stage_is_slow() -> None:
    admission = Admission()
    assert admission.limit == MOST
    admission.enter()
    admission.leave(2 * SLOW_S)
    assert admission.limit == 1
    for _ in range(LATELY):
        admission.enter()
        admission.leave(SLOW_S / 2)
    assert admission.limit == MOST


def test_abort_ends_a_wait() -> None:
    admission, caught = Admission(), []

    def enter() -> None:
        try:
            for _ in range(MOST + 1):
                admission.enter()
        except Aborted:
            caught.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    admission.abort()
    thread.join(60)
    assert caught == [True]
    with pytest.raises(Aborted):
        admission.enter()


def used_to(inside_s: float, gap_s: float) -> Admission:
    """An admission that has seen frames come at such a rate, each out so long after it was let in."""
    admission = Admission()
    for index in range(2 * LATELY):
        now_s = index * gap_s
        admission.worked("read", (index,), now_s, now_s)
        result: Result = replace(make_result(make_frame(32, 16)), grabbed_s=now_s, latency_ms={"wait": 7.0})
        # One in ten takes much longer: not what is expected of the next one.
        admission.finished(result, now_s + 0.007 + inside_s * (5 if index % 10 == 0 else 1))
    return admission


def test_a_frame_that_would_come_out_too_old_gives_way_to_the_next() -> None:
    gap_s, inside_s = 1 / 30, 0.06
    admission = used_to(inside_s, gap_s)
    assert admission.patience_s(AIM_S - inside_s - 0.001) == 0
    age_s = AIM_S - inside_s + 0.001
    assert admission.patience_s(age_s) == pytest.approx(LATE * gap_s - age_s)


def test_nobody_waits_where_frames_come_out_in_time_or_no_other_comes() -> None:
    assert used_to(0.02, 1 / 30).patience_s(1 / 30) == 0
    assert used_to(0.2, 1 / 30).patience_s(FRESH_S) == 0
    assert used_to(0.2, 1 / 30).patience_s(2 * FRESH_S) > 0
    assert used_to(0.2, 1 / 30).patience_s(0.2) == 0  # the next one should be there since long
    assert Admission().patience_s(1.0) == 0
