"""One run of the engine, in a thread of its own, for whoever looks on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from fer_live.realtime.channel import Aborted
from fer_live.realtime.datatypes import Result, Source
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.session import Session, Watch

__all__ = ["EngineRun", "Listener"]


class Listener(Protocol):
    """Is told what becomes of a run, on its thread."""

    def opened(self, run: EngineRun, session: Session) -> None:
        """Everything is open, and frames will come."""

    def shown(self, run: EngineRun, result: Result) -> None:
        """A frame is due to be seen."""

    def told(self, run: EngineRun, line: str) -> None:
        """Something that a user should know."""

    def ended(self, run: EngineRun, error: BaseException | None) -> None:
        """It is over and everything is closed; ``error``: why, None at the end of the source or when stopped."""


class EngineRun:
    """A :class:`~.session.Session` from its opening to its end; it starts at once.

    Args:
        options: what to run.
        listener: is told.
        open_source: opens what is read, where the options name nothing.
        after: a run before this one, which must have let go of its camera first.
    """

    def __init__(
        self,
        options: RunOptions,
        listener: Listener,
        *,
        open_source: Callable[[], Source] | None = None,
        after: EngineRun | None = None,
    ) -> None:
        self.options = options
        self._listener, self._open_source, self._after = listener, open_source, after
        self._paused = False
        self._stopping = threading.Event()
        self._session: Session | None = None
        # A daemon: a driver that never returns must not keep the server alive.
        self._thread = threading.Thread(target=self._work, name="fer-live page", daemon=True)
        self._thread.start()

    @property
    def session(self) -> Session | None:
        """What works at this moment; None before it is open and after it was closed."""
        return self._session

    def stop(self) -> None:
        """End it soon; from any thread, any number of times."""
        self._stopping.set()
        session = self._session
        if session is not None:
            session.pipeline.stop()
            session.source.stop()

    def pause(self, on: bool) -> None:
        """Stand still, or go on."""
        self._paused = on
        session = self._session
        if session is not None:
            (session.pipeline.pause.begin if on else session.pipeline.pause.end)()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until everything is closed."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        if self._after is not None:
            self._after.join()
            self._after = None
        error: BaseException | None = None
        try:
            if not self._stopping.is_set():
                self._run()
        except BaseException as failed:
            error = failed
        finally:
            self._session = None
        self._listener.ended(self, None if self._stopping.is_set() else error)

    def _run(self) -> None:
        source = None if self._open_source is None else self._open_source()
        with Session(
            self.options, watch=Watch.VIEWER, source=source, tell=lambda line: self._listener.told(self, line)
        ) as session:
            self._session = session
            if self._paused:
                session.pipeline.pause.begin()
            if self._stopping.is_set():  # while it was opened
                return
            session.pipeline.start()
            self._listener.opened(self, session)
            self._show(session)
            session.end()

    def _show(self, session: Session) -> None:
        assert session.display is not None
        started_s: float | None = None
        try:
            for result in session.display:
                now_s = time.perf_counter()
                if started_s is None:
                    started_s = now_s - result.frame.time_s
                wait_s = started_s + result.frame.time_s - now_s if session.paced else 0.0
                if wait_s > 0:
                    self._stopping.wait(wait_s)
                else:
                    started_s -= wait_s  # too slow for real time, or paused: go on from here rather than rush
                self._listener.shown(self, result)
                session.pipeline.observers.finished(result, time.perf_counter())
        except Aborted:
            pass  # the session raises the reason
