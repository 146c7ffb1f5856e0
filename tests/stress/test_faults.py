"""Thousands of seeded runs of the engine with faults, stops and slow stages at random places.

Each run must end; the error that was raised first, or at the same moment, is what arrives; no thread is left; and
every frame that entered a channel is accounted for.
"""

from __future__ import annotations

import faulthandler
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from fer_live.realtime import pipeline as module
from fer_live.realtime.channel import Aborted, Channel, Overflow
from fer_live.realtime.datatypes import Faces, Floats, Frame, Predictions, Result
from fer_live.realtime.labels.labelling import Labeller, Said
from fer_live.realtime.observer import Observers
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSink, ListSource, make_frame
from fer_live.realtime.tracking.finder import FaceFinder, Found
from fer_live.realtime.tracking.heads import HeadFinder
from fer_live.realtime.view.drawing import Drawing

FRAMES = [make_frame(96, 64, index, index / 25) for index in range(40)]
STAGES = ("source", "detector", "tracker", "heads", "classifier", "other", "labels", "drawing", "observer", "sink")
END_S = 60.0
"""A run takes milliseconds; the machine may be busy."""


class Boom(Exception):
    pass


ERRORS: tuple[type[BaseException], ...] = (Boom, OSError, MemoryError, KeyboardInterrupt, SystemExit, Aborted)


class CountingChannel(Channel[Any]):
    """A channel that keeps account."""

    made: list[CountingChannel]

    def __init__(self, capacity: int, overflow: Overflow) -> None:
        super().__init__(capacity, overflow)
        self.put_items = self.taken = self.thrown_away = 0
        self.made.append(self)

    def put(self, item: Any) -> Any:
        lost = super().put(item)
        self.put_items += 1  # one thread puts
        return lost

    def get_many(self, most: int, *, fill: bool, timeout_s: float | None = None) -> list[Any]:
        taken = super().get_many(most, fill=fill, timeout_s=timeout_s)
        self.taken += len(taken)  # one thread takes
        return taken

    def get_fresh(self, patience_s: Callable[[Any], float]) -> list[Any]:
        taken = super().get_fresh(patience_s)
        self.taken += len(taken)
        return taken

    def abort(self) -> None:
        with self._changed:
            self.thrown_away += len(self._items)
            super().abort()


@dataclass(frozen=True)
class Plan:
    """What happens in a run; places are a stage and how often it was met."""

    frames: int
    live: bool
    display: bool
    faults: dict[tuple[str, int], type[BaseException]]
    holds: dict[tuple[str, int], str]  # a stage waits there until another one has gone on
    act: str
    act_at: tuple[str, int]

    @classmethod
    def of(cls, seed: int) -> Plan:
        draw = random.Random(seed)
        count = draw.choice([0, 1, 2, 5, 20, 40])

        def place() -> tuple[str, int]:
            return draw.choice((*STAGES, "finish")), draw.randrange(count + 1)

        return cls(
            count,
            live=draw.random() < 0.4,
            display=draw.random() < 0.4,
            faults={place(): draw.choice(ERRORS) for _ in range(draw.choice([0, 1, 1, 1, 2, 3]))},
            holds={place(): draw.choice(STAGES) for _ in range(draw.choice([0, 0, 1, 3]))},
            act=draw.choice(["", "", "", "stop", "interrupt", "interrupt twice", "abort"]),
            act_at=place(),
        )


class Script:
    """Makes the plan happen: every stage calls ``meet`` wherever something can go wrong."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.met: Counter[str] = Counter()
        self.raised: list[tuple[BaseException, str]] = []
        self.time_to_act = threading.Event()
        self._changed = threading.Condition()

    def meet(self, stage: str) -> None:
        with self._changed:
            place = stage, self.met[stage]
            self.met[stage] += 1
            self._changed.notify_all()
            if place == self.plan.act_at:
                self.time_to_act.set()
            if place in self.plan.holds:
                other = self.plan.holds[place]
                goal = self.met[other] + 2
                # With a bound: it may never come so far. No result depends on it.
                self._changed.wait_for(lambda: self.met[other] >= goal, timeout=0.003)
            if place in self.plan.faults:
                error = self.plan.faults[place](f"{place}")
                self.raised.append((error, stage))
                raise error


class Source(ListSource):
    script: Script

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            self.script.meet("source")
            yield frame
        self.script.meet("source")


class Classifier(FakeClassifier):
    script: Script

    def classify(self, crops: np.ndarray) -> Predictions:
        self.script.meet("classifier")
        return super().classify(crops)


class Other(FakeClassifier):
    """The model that is compared."""

    script: Script

    def classify(self, crops: np.ndarray) -> Predictions:
        self.script.meet("other")
        return super().classify(crops)


class Heads(HeadFinder):
    def __init__(self, script: Script) -> None:
        self.script = script

    def update(self, frame: Frame, known: Faces) -> Floats:
        self.script.meet("heads")
        return np.zeros((0, 4), np.float32)


class Marks(Drawing):
    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def draw(self, result: Result) -> None:
        self.script.meet("drawing")
        super().draw(result)


class Onlooker(Observers):
    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        self.script.meet("observer")


class Sink(ListSink):
    script: Script

    def write(self, result: Result) -> None:
        self.script.meet("sink")
        super().write(result)

    def finish(self) -> None:
        self.script.meet("finish")
        super().finish()


def run(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """One run: how it ended, and in which stage where that was a fault."""
    plan = Plan.of(seed)
    script = Script(plan)
    CountingChannel.made = []
    monkeypatch.setattr(module, "Channel", CountingChannel)

    def faces(frame: Frame) -> Faces:
        script.meet("detector")
        left = 20 * np.arange(frame.index % 4, dtype=np.float32)
        boxes = np.stack([left, left * 0 + 8, left + 16, left * 0 + 28], 1)
        squares = np.stack([left + 8, left * 0 + 18, left * 0 + 20, left * 0], 1)
        return Faces(boxes, np.ones(len(left), np.float32), squares)

    class Finder(FaceFinder):
        def update(self, frame: Frame) -> Found:
            script.meet("tracker")
            return super().update(frame)

    class Labels(Labeller):
        def update(self, *said: Any) -> Said:
            script.meet("labels")
            return super().update(*said)

    monkeypatch.setattr(module, "FaceFinder", Finder)
    monkeypatch.setattr(module, "Labeller", Labels)
    source, classifier, other, sink = Source(FRAMES[: plan.frames]), Classifier(), Other(), Sink(needs_pixels=True)
    source.info = replace(source.info, is_live=plan.live)
    source.script = classifier.script = other.script = sink.script = script
    display = CountingChannel(2, Overflow.BLOCK) if plan.display else None
    pipeline = Pipeline(
        source,
        FakeDetector(faces),
        classifier,
        [sink],
        display,
        detect_every=1,
        classify_every=1,
        observers=[Onlooker(script)],
        heads=Heads(script),
        drawing=Marks(script),
        other=other,
    )
    reason = Boom("abort")
    acted: list[str] = []

    def act() -> None:
        script.time_to_act.wait()
        if plan.act == "abort":
            acted.append(plan.act)
            pipeline.abort(reason)
        elif plan.act:
            acted.append(plan.act)
            for _ in range(2 if plan.act == "interrupt twice" else 1):
                pipeline.stop() if plan.act == "stop" else pipeline.interrupt()

    def watch() -> None:
        assert display is not None
        try:
            for _ in display:
                pass
        except Aborted:
            pass

    outcome: list[Any] = []

    def wait() -> None:
        try:
            outcome.append(pipeline.wait())
        except BaseException as error:
            outcome.append(error)

    others = [threading.Thread(target=act)] + ([threading.Thread(target=watch)] if plan.display else [])
    waiting = threading.Thread(target=wait, daemon=True)
    for thread in others:
        thread.start()
    pipeline.start()
    waiting.start()
    waiting.join(END_S)
    if waiting.is_alive():
        faulthandler.dump_traceback(sys.__stderr__)
        raise AssertionError(f"seed {seed} did not end: {plan}, met {script.met}, {pipeline._failure!r}")
    script.time_to_act.set()
    for thread in others:
        thread.join(END_S)
        assert not thread.is_alive(), f"seed {seed}: {plan}"
    check(seed, plan, script, outcome[0], sink, [*acted, *([reason] if "abort" in acted else [])])
    where = next((stage for error, stage in script.raised if error is outcome[0]), "")
    return type(outcome[0]).__name__, where


def check(seed: int, plan: Plan, script: Script, outcome: Any, sink: Sink, acted: list[Any]) -> None:
    about = f"seed {seed}: {plan}, raised {script.raised}, ended with {outcome!r}"
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("fer-live")]
    assert not left, f"{about}, left {left}"
    for channel in CountingChannel.made:
        accounted = channel.taken + channel.thrown_away + channel.dropped + len(channel)
        assert channel.put_items == accounted, about
    indices = [result.frame.index for result in sink.results]
    assert indices == sorted(set(indices)), about
    if not plan.live:
        assert indices == list(range(len(indices))), about
    if isinstance(outcome, BaseException):
        ended_at_once = "interrupt twice" in acted and isinstance(outcome, KeyboardInterrupt)
        # Faults of two threads at the same moment: either may come first.
        possible = [*(error for error, _ in script.raised), *acted]
        assert ended_at_once or any(outcome is error for error in possible), about
        if not acted:
            assert not sink.finished, about
        return
    assert not script.raised, about
    assert outcome.frames == len(indices), about
    if not acted:
        assert sink.finished, about
        assert outcome.frames + outcome.dropped == plan.frames, about
        assert plan.live or outcome.dropped == 0, about
    # Interrupted before the first frame nothing is completed; else all that was begun is.
    assert sink.finished or not indices, about


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns a hundred times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize(
    "count", [pytest.param(300, id="sample"), pytest.param(3000, id="all", marks=pytest.mark.stress)]
)
def test_every_run_ends_with_the_error_that_was_raised(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = [run(seed, monkeypatch) for seed in range(count)]
    outcomes = Counter(outcome for outcome, _ in ended)
    # The draws reach every way to end.
    assert {"Summary", "Boom", "OSError", "MemoryError", "KeyboardInterrupt", "SystemExit"} <= set(outcomes), outcomes
    assert {*STAGES, "finish"} <= {stage for _, stage in ended}
