"""``fer_live.open``: a video, a camera or photos, result by result."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from fer_live.realtime.channel import Aborted
from fer_live.realtime.photos.run import PhotoRun
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.session import Session, Watch

from .options import run_options, source_option
from .results import Result

__all__ = ["Run", "open_run"]

_log = logging.getLogger("fer_live")


def open_run(source: str | os.PathLike[str] | int | None, options: Mapping[str, Any]) -> Run:
    """See :func:`fer_live.open`."""
    asked = run_options("open", {**options, **({} if source is None else source_option(source))})
    if asked.source is None:
        raise ValueError("open() needs a source: a video, a photo, a folder of photos or a camera's number")
    if asked.data.groups is not None:
        raise ValueError("aggregate_only: results are about single faces; fer-live --aggregate-only shows none")
    return Run(_Photos(asked) if asked.source.image is not None else _Video(asked))


class Run:
    """What :func:`fer_live.open` gives: iterate over it once, result by result.

    The loop may be left at any time: what was asked to be written is completed, and everything is closed. So does
    ``with``, or :meth:`close`, where there is no loop.
    """

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._begun = False
        # At the program's end, too; called at most once.
        self._close = weakref.finalize(self, engine.close)

    @property
    def name(self) -> str:
        """Of the source."""
        return self._engine.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's expressions, in the order of :attr:`~fer_live.Face.probabilities`."""
        return self._engine.labels

    @property
    def length(self) -> int | None:
        """How many results there will be, as far as the source knows; None where it doesn't, as a camera."""
        return self._engine.length

    @property
    def written(self) -> tuple[Path, ...]:
        """The files that were asked for; complete after the end."""
        return self._engine.written

    @property
    def failures(self) -> dict[str, str]:
        """Photos of a folder that could not be read and were left out, by name: why."""
        return self._engine.failures

    def __iter__(self) -> Iterator[Result]:
        """The results, in order: of a file every one, of something live the newest each time.

        Raises:
            FerLiveError: what ended the run.
            RuntimeError: it was gone through, or closed, before.
        """
        if self._begun or not self._close.alive:
            raise RuntimeError(f"{self.name}: a run is gone through once; open it again")
        self._begun = True
        return self._results()

    def _results(self) -> Iterator[Result]:
        try:
            yield from self._engine.results()
        except GeneratorExit:
            self.close()
            raise
        except BaseException as error:
            if self._close.detach() is not None:
                self._engine.fail(error)
            raise
        self.close()

    def close(self) -> None:
        """End the run in good order; any number of times.

        Raises:
            FerLiveError: an output could not be completed.
        """
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Run of {self.name!r}>"


class _Engine(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def length(self) -> int | None: ...

    @property
    def written(self) -> tuple[Path, ...]: ...

    @property
    def failures(self) -> dict[str, str]: ...

    def results(self) -> Iterator[Result]:
        """All of them, and complete the outputs."""

    def close(self) -> None:
        """Let go of everything; before the end of the results, in good order."""

    def fail(self, error: BaseException) -> None:
        """Likewise after an error, raised here if there is more to say of it."""


class _Video:
    def __init__(self, options: RunOptions) -> None:
        self._view = options.view
        session = Session(options, watch=Watch.PROGRAM, bare=True, tell=_log.info)
        session.__enter__()
        self._session: Session | None = session
        self.name = session.source.info.name
        self.labels = session.classifier.contract.labels
        self.length = session.source.info.frame_count
        self.failures: dict[str, str] = {}
        self._written: tuple[Path, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        return self._written if self._session is None else self._session.paths

    def results(self) -> Iterator[Result]:
        session = self._session
        assert session is not None and session.display is not None
        pipeline, display = session.pipeline, session.display
        pipeline.start()
        try:
            for found in display:
                pipeline.observers.finished(found, time.perf_counter())
                yield Result(self.name, found, self._view, colour=session.source.info.colour)
        except Aborted:
            pass  # end() raises what it was
        session.end()
        for warning in session.warnings:
            _log.warning(warning)

    def close(self) -> None:
        self._leave(None)

    def fail(self, error: BaseException) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        # Let go of as well: codecs and models keep memory and threads as long as the session is there, and a program
        # may keep its runs.
        session, self._session = self._session, None
        if session is not None:
            try:
                session.__exit__(None if error is None else type(error), error, None)
            finally:
                self._written = session.paths


class _Photos:
    def __init__(self, options: RunOptions) -> None:
        assert options.source is not None
        self._view = options.view
        self._run = PhotoRun(options, tell=_log.warning)
        self._run.__enter__()
        self._begun = self._ended = False
        self.name = str(options.source.image)
        self.labels = self._run.classifier.contract.labels
        self.length = len(self._run.paths)
        self.failures = self._run.failures

    @property
    def written(self) -> tuple[Path, ...]:
        return self._run.written

    def results(self) -> Iterator[Result]:
        for photo in self._run:
            self._begun = True
            yield Result(photo.name, photo.result, self._view, photo=photo)
        self._end()

    def close(self) -> None:
        try:
            if self._begun and not self._ended:
                self._run.interrupt()
                self._end()
        except BaseException as error:
            self.fail(error)
            raise
        self._run.__exit__(None, None, None)

    def fail(self, error: BaseException) -> None:
        self._run.__exit__(type(error), error, error.__traceback__)

    def _end(self) -> None:
        self._ended = True
        self._run.end()
        for warning in self._run.warnings:
            _log.warning(warning)
