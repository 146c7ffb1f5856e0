"""Changes a run while it goes on: for keys, pages and programs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError, ModelError

from .choices import installed_detectors, offered_models
from .datatypes import Detector, SourceInfo
from .engine_options import EngineOptions, open_detector, open_model
from .inference.classifier import OnnxClassifier
from .pipeline import Pipeline

__all__ = ["Controls"]

_MODEL = {"model", "device", "threads"}
_DETECTOR = {"detector", "detect_size", "verify_eyes"}
_CHANGEABLE = _MODEL | _DETECTOR | {"smooth"}


class Controls:
    """Changes what a run works with. From any thread; nothing here waits.

    Models and detectors are loaded on a thread of their own, while the run goes on with those it has; they are taken
    over once they are ready, and the old ones are closed when the last frame has left them. What can't be loaded
    changes nothing, and is told.

    Args:
        pipeline: the run.
        engine: the options that it began with.
        info: of its source.
        tell: is given what was done or why not, a line each; on any thread.
    """

    def __init__(
        self, pipeline: Pipeline, engine: EngineOptions, info: SourceInfo, tell: Callable[[str], None]
    ) -> None:
        self._pipeline, self._info, self._tell = pipeline, info, tell
        self._lock = threading.Lock()
        self._began = engine
        self._engine = engine  # what is in use, or will be with the next frame
        self._asked = engine  # the same with all that is still being loaded, or failed
        self._loading = 0
        self._opened: list[Detector] = [pipeline.setup.detector]
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="fer-live load")

    @property
    def engine(self) -> EngineOptions:
        """The options that hold from the next frame on."""
        return self._engine

    @property
    def is_loading(self) -> bool:
        """Whether something is still being loaded: :attr:`engine` may yet change."""
        return self._loading > 0

    def use(self, engine: EngineOptions) -> None:
        """Take over what of these options differs from those that hold and can be changed: model and where it runs,
        detector, its size and verification, smoothing.
        """
        self.change(
            **{
                field.name: getattr(engine, field.name)
                for field in fields(engine)
                if field.name in _CHANGEABLE and getattr(engine, field.name) != getattr(self._engine, field.name)
            }
        )

    def change(self, **changes: Any) -> None:
        """Change some of the :class:`~.engine_options.EngineOptions` that :meth:`use` names, by name.

        Raises:
            ValueError: one that can't be changed while a run goes on.
        """
        if fixed := changes.keys() - _CHANGEABLE:
            raise ValueError(f"{', '.join(sorted(fixed))} can't be changed while a run goes on")
        with self._lock:
            self._asked = replace(self._asked, **changes)
        if "smooth" in changes:
            self._set_smooth(changes.pop("smooth"))
        if changes:
            with suppress(RuntimeError):  # the run has ended
                loading = self._loader.submit(self._load, changes)
                with self._lock:
                    self._loading += 1
                loading.add_done_callback(self._loaded)

    def next_model(self) -> None:
        """Go on to the next of the models on offer."""
        try:
            offered = offered_models(self._began)
        except ModelError as error:  # a bundled one was damaged meanwhile
            self._tell(one_line(error))
            return
        # The bundled one that is fastest here is one of the others.
        paths = list(dict.fromkeys(model.path for model in offered if model.path is not None))
        current, classifier = self._asked.model, self._pipeline.setup.classifier
        if current is None and isinstance(classifier, OnnxClassifier):
            current = classifier.path
        at = paths.index(current) if current in paths else -1
        self.change(model=paths[(at + 1) % len(paths)])

    def next_detector(self) -> None:
        """Go on to the next of the detectors that are installed."""
        names = installed_detectors()
        at = names.index(self._asked.detector) if self._asked.detector in names else -1
        self.change(detector=names[(at + 1) % len(names)])

    def toggle_smoothing(self) -> None:
        """Show expressions smoothed over time, or the model's newest answers."""
        self.change(smooth=not self._engine.smooth)

    def toggle_pause(self) -> None:
        """Stand still, or go on."""
        pause = self._pipeline.pause
        (pause.end if pause.is_on else pause.begin)()

    def collect(self) -> None:
        """Close the detectors that no frame will be searched with any more; on the loader's thread."""
        with suppress(RuntimeError):  # the run has ended, and all will be closed
            self._loader.submit(self._close_unused)

    def close(self) -> None:
        """Load nothing more, and close the detectors; after the run has ended."""
        self._loader.shutdown(wait=True, cancel_futures=True)
        for detector in self._opened:
            detector.__exit__(None, None, None)
        self._opened = []

    def _set_smooth(self, smooth: bool) -> None:
        with self._lock:
            self._pipeline.change(smooth=smooth)
            self._engine = replace(self._engine, smooth=smooth)
        self._tell("smoothed over time" if smooth else "raw: each answer of the model as it is")

    def _loaded(self, _: Future[None]) -> None:
        with self._lock:
            self._loading -= 1

    def _load(self, changes: dict[str, Any]) -> None:
        with self._lock:
            # Whoever asks for one after another wants the last one only.
            changes = {name: value for name, value in changes.items() if getattr(self._asked, name) == value}
            wanted = replace(self._engine, **changes)
        if not changes:
            return
        what = _named(changes)
        self._tell(f"loading {what}")
        try:
            told = self._take_over(wanted, changes)
        except FerLiveError as error:
            self._tell(f"{what} can't be used: {one_line(error)}")
        except Exception as error:  # of a library: the run goes on without what it fails at
            self._tell(f"{what} can't be used: {type(error).__name__}: {one_line(error)}")
        else:
            self._tell(told)

    def _take_over(self, wanted: EngineOptions, changes: dict[str, Any]) -> str:
        """Open what has changed, and let the run work with it; what to say of it."""
        setup = self._pipeline.setup
        classifier = open_model(wanted, self._info, self._tell) if changes.keys() & _MODEL else None
        framing = (setup.classifier if classifier is None else classifier).contract.framing
        detector: Detector | None = None
        # A detector gives the squares that the model's contract names.
        if changes.keys() & _DETECTOR or framing != setup.classifier.contract.framing:
            detector = open_detector(wanted, self._info, framing).__enter__()
        try:
            self._pipeline.change(detector=detector, classifier=classifier)
        except BaseException:
            if detector is not None:
                detector.__exit__(None, None, None)
            raise
        with self._lock:
            self._engine = replace(self._engine, **changes)
            if detector is not None:
                self._opened.append(detector)
        self._close_unused()
        said = [f"model: {classifier.path.name}"] if classifier is not None else []
        said += [f"detector: {detector.name}"] if changes.keys() & _DETECTOR and detector is not None else []
        return ", ".join(said)

    def _close_unused(self) -> None:
        used = {id(setup.detector) for setup in self._pipeline.setups}
        with self._lock:
            unused = [detector for detector in self._opened if id(detector) not in used]
            self._opened = [detector for detector in self._opened if id(detector) in used]
        for detector in unused:
            detector.__exit__(None, None, None)


def _named(changes: dict[str, Any]) -> str:
    """What is being loaded, in words."""
    model, words = changes.get("model", ...), []
    if isinstance(model, Path):
        words.append(model.name)
    elif changes.keys() & _MODEL:
        words.append("the model")
    if changes.keys() & _DETECTOR:
        words.append(f"detector {changes['detector']}" if "detector" in changes else "the detector")
    return " and ".join(words)
