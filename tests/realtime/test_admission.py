"""How many frames are let in."""

import threading

import pytest

from fer_live.realtime.admission import LATELY, MOST, SLOW_S, Admission
from fer_live.realtime.channel import Aborted


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
