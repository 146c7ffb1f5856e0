"""What is to be seen live: one run of the engine at a time, and all who look at it.

A run begins when the first viewer comes and ends some seconds after the last one left, so that no camera stays on for
nobody. All methods run on the event loop's thread; what the engine tells on its own thread is passed on to there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError
from fer_live.realtime.datatypes import Result, Source
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.session import Session
from fer_live.realtime.sources.options import SourceOptions

from .choices import keys_of
from .engine_run import EngineRun
from .figures import figures_of
from .settings import Settings
from .shown import Shown
from .viewer import Viewer

__all__ = ["LINGER_S", "Show"]

LINGER_S = 5.0
"""How long a run goes on when nobody looks any more: a page that is loaded anew finds it still there."""

TELL_S = 0.5
"""How often figures are told: numbers that flicker cannot be read."""

END_S = 10.0
"""How long a run may take to end with the server."""

_NOTES = 4


class Show:
    """See the module.

    Args:
        settings: of the server.
        options: of the runs; without a source in them there is nothing to see before :meth:`choose`.
        source_key: how the page names that source.
        open_source: opens what is read instead of the options' source.
        lingers: goes on for a while when nobody looks any more.
    """

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        source_key: str | None,
        *,
        open_source: Callable[[], Source] | None = None,
        lingers: bool = True,
    ) -> None:
        self._settings, self.options = settings, options
        self.keys: dict[str, Any] = {**keys_of(settings, options.engine), "source": source_key}
        self._open_source, self._lingers = open_source, lingers
        self._viewers: set[Viewer] = set()
        self._run: EngineRun | None = None
        self._phase, self._reason = "idle", ""
        self._facts: dict[str, Any] = {}
        self._notes: list[str] = []
        self._paused = self._changing = False
        self._last: Shown | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._telling: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def engine(self) -> EngineOptions:
        """The options in use: what was loaded a moment ago is among them, though no page was told yet."""
        session = None if self._run is None else self._run.session
        return session.controls.engine if session is not None and self._phase == "running" else self.options.engine

    def enter(self, viewer: Viewer) -> None:
        """Somebody comes to look."""
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        first = not self._viewers
        self._viewers.add(viewer)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell_figures())
        if self._phase == "idle" or (first and self._phase in ("ended", "failed")):
            self.begin()
        elif self._last is not None:
            viewer.show(self._last)
        self._tell_state()

    def leave(self, viewer: Viewer) -> None:
        """Somebody goes; any number of times."""
        if viewer not in self._viewers:
            return
        self._viewers.discard(viewer)
        self._tell_state()
        if not self._viewers:
            self._leaving = self._loop.call_later(LINGER_S if self._lingers else 0.0, self._end)

    def choose(self, source: SourceOptions, key: str) -> None:
        """Look at something else."""
        self.options, self.keys["source"] = replace(self.options, source=source), key
        self.begin()

    def change(self, engine: EngineOptions) -> None:
        """Look at the same in another way; a run that is under way changes while it goes on."""
        session = None if self._run is None else self._run.session
        if session is not None and self._phase == "running":
            session.controls.use(engine)
            self._changing = True
        else:
            self._hold(engine)
            if self._phase == "opening":
                self.begin()
            self._tell_state()

    def _hold(self, engine: EngineOptions) -> None:
        """Note what is in use, or will be by the next run."""
        self.options = replace(self.options, engine=engine)
        self.keys.update(keys_of(self._settings, engine))

    def pause(self, on: bool) -> None:
        """Stand still, or go on."""
        self._paused = on
        if self._run is not None:
            self._run.pause(on)
        self._tell_state()

    def begin(self) -> None:
        """Begin anew, from the start of a file."""
        if self._run is not None:
            self._run.stop()
        self._notes, self._last, self._paused, self._changing = [], None, False, False
        for viewer in self._viewers:
            viewer.show(None)
        if self.options.source is None and self._open_source is None:
            self._phase = "idle"
        else:
            self._phase, self._reason = "opening", ""
            self._run = EngineRun(self.options, self, open_source=self._open_source, after=self._run)
        self._tell_state()

    async def close(self) -> None:
        """End, and wait until everything is closed."""
        self._end()
        if self._run is not None:
            await asyncio.to_thread(self._run.join, END_S)

    def _end(self) -> None:
        self._phase, self._paused, self._last, self._notes = "idle", False, None, []
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._run is not None:
            self._run.stop()

    # From the engine's threads.

    def opened(self, run: EngineRun, session: Session) -> None:
        """See :class:`~.engine_run.Listener`, like the next three."""
        info = session.source.info
        facts = {
            "source": info.name,
            "size_wh": info.size_wh,
            "is_live": info.is_live,
            "labels": session.classifier.contract.labels,
            "provider": session.classifier.provider,
        }
        self._pass_on(run, self._opened, facts)

    def shown(self, run: EngineRun, result: Result) -> None:  # noqa: D102
        self._pass_on(run, self._shown, Shown(result))

    def told(self, run: EngineRun, line: str) -> None:  # noqa: D102
        self._pass_on(run, self._told, line)

    def ended(self, run: EngineRun, error: BaseException | None) -> None:  # noqa: D102
        self._pass_on(run, self._ended, error)

    def _pass_on(self, run: EngineRun, what: Callable[[Any], None], value: object) -> None:
        def on_loop() -> None:
            if run is self._run and self._phase != "idle":  # else it is being ended
                what(value)

        with suppress(RuntimeError):  # a driver came back after the server had ended
            self._loop.call_soon_threadsafe(on_loop)

    # On the event loop again.

    def _opened(self, facts: dict[str, Any]) -> None:
        self._facts, self._phase = facts, "running"
        self._tell_state()

    def _shown(self, shown: Shown) -> None:
        self._last = shown
        for viewer in self._viewers:
            viewer.show(shown)

    def _told(self, line: str) -> None:
        self._notes = [*self._notes, line][-_NOTES:]
        self._tell_state()

    def _ended(self, error: BaseException | None) -> None:
        self._run = None
        if error is None:
            self._phase = "ended"
        else:
            known = isinstance(error, FerLiveError)
            self._reason = one_line(error) if known else f"unexpected {type(error).__name__}: {one_line(error)}"
            self._phase = "failed"
        self._tell_state()

    def _state(self) -> dict[str, Any]:
        """What a page is told of it."""
        return {
            "phase": self._phase,
            "reason": self._reason,
            "paused": self._paused,
            "viewers": len(self._viewers),
            "notes": self._notes,
            "chosen": self.keys,
            **(self._facts if self._phase in ("running", "ended") else {}),
        }

    def _tell_state(self) -> None:
        for viewer in self._viewers:
            viewer.tell("state", self._state())

    async def _tell_figures(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            session = None if self._run is None else self._run.session
            if session is None or self._phase != "running":
                continue
            if self._changing and not session.controls.is_loading:
                # Also where something could not be loaded: the page then shows what is in use again.
                self._changing = False
                self._hold(session.controls.engine)
                self._tell_state()
            figures = figures_of(session)
            for viewer in self._viewers:
                viewer.tell("figures", figures)
