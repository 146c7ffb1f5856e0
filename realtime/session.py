"""A run, put together from what was asked for: source, models, outputs and the pipeline that joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakMethod

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError, ModelError, SinkError

from .channel import Channel, Overflow
from .controls import Controls
from .data.comparison import Comparison
from .data.rows import FaceRows, Rows
from .datatypes import Detector, Frame, Result, Sink, Source, SourceInfo
from .detectors.registry import create_detector
from .engine_options import open_model, open_models
from .inference.classifier import OnnxClassifier
from .messages import Messages
from .observer import Observer
from .pipeline import BATCH_FRAMES, Pipeline
from .run_options import RunOptions
from .setup import Setup, check_same_crops
from .sinks.targets import refuse_inputs
from .sinks.video_file import VideoFileSink
from .source_state import SourceState
from .sources.open_source import files_read, open_source, sound_file
from .stats import RecentStats, Summary
from .trace import Trace
from .tracking.heads import LEAST_SCORE, HeadFinder
from .view.anonymise import Style
from .view.drawing import Drawing

if TYPE_CHECKING:
    from .data.outputs import DataOutputs

__all__ = ["Session", "Watch"]


class Watch(StrEnum):
    """Who takes results from :attr:`Session.display`.

    ``NOBODY``: there is none. ``VIEWER``: somebody who looks, and must not hold up what is written: the freshest result
    will do, but of a file that is only looked at each comes. ``PROGRAM``: somebody who wants each result of a file.
    """

    NOBODY = "nobody"
    VIEWER = "viewer"
    PROGRAM = "program"


class Session:
    """A run; a context manager. Start its pipeline inside, take from the display where there is one, then :meth:`end`.

    Left by an exception it ends the run, closes everything, and raises that exception, told with where the parts are
    that were written before. Left earlier than at the end it stops the run in good order, as Ctrl-C does.

    Args:
        options: what was asked for.
        watch: who takes from ``display``.
        source: what to read instead of the source that the options name; closed with the session.
        bare: the display's frames have nothing drawn on them.
        tell: is given what a user should know, a line each.

    Attributes:
        source: where frames come from.
        detector: finds the faces, at first.
        classifier: labels them, at first.
        pipeline: what works.
        controls: change what it works with.
        messages: what became of such a change, for who watches.
        display: results for who watches; None where nobody does.
        stats: figures for a HUD, where somebody watches.
        paced: whether the display gets every frame of a file, to be shown at the file's own pace.
        video: the annotated video, None where none was asked for.
        data: the data outputs, None where none were asked for.
        comparison: counts where another model agrees, None where none was asked for.

    Raises:
        FerLiveError: from entering: the source, a model or an output can't be opened, or they don't go together.
    """

    source: Source
    detector: Detector
    classifier: OnnxClassifier
    pipeline: Pipeline
    controls: Controls
    stats: RecentStats
    display: Channel[Result] | None = None
    video: VideoFileSink | None = None
    data: DataOutputs | None = None
    comparison: Comparison | None = None
    paced = False

    def __init__(
        self,
        options: RunOptions,
        *,
        watch: Watch = Watch.NOBODY,
        source: Source | None = None,
        bare: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._options, self._watch, self._given, self._bare, self._tell = options, watch, source, bare, tell
        self._stack = ExitStack()
        self._ended = False
        self._facts: dict[str, Any] = {}
        self.messages = Messages()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def _open(self, stack: ExitStack) -> None:
        options = self._options
        observers: list[Observer] = []
        refuse_inputs([path for _, path in options.targets], self._files_read())
        if options.trace is not None:
            observers.append(stack.enter_context(Trace(options.trace)))
        self.source = stack.enter_context(self._open_source() if self._given is None else self._given)
        info, wanted = self.source.info, options.source
        sound_of, stream = (None, None) if wanted is None else (sound_file(wanted), wanted.stream)
        options.engine.check_source(info)
        video = options.video
        if video.out is not None:
            self.video = stack.enter_context(
                VideoFileSink(
                    video.out,
                    info,
                    copy_from=sound_of,
                    stream=stream,
                    codec=video.codec,
                    preset=video.preset,
                    crf=video.crf,
                )
            )
        self.detector, self.classifier = open_models(options.engine, info, stack, self._tell)
        other = self._open_other(info)
        if options.data.asked:
            self.data = stack.enter_context(self._open_data(info, sound_of))
            observers.append(self.data.counts)
        # A file that is only watched is shown whole, at its own pace; else the freshest frame will do.
        self.paced = not info.is_live and (self._watch == Watch.PROGRAM or not options.writes)
        self.stats = RecentStats(
            self.detector.name, self.classifier.provider, self.classifier.path.name, is_live=info.is_live
        )
        if self._watch != Watch.NOBODY:
            self.display = Channel(4, Overflow.BLOCK) if self.paced else Channel(1, Overflow.DROP_OLDEST)
            observers.append(self.stats)
        sinks: list[Sink] = [self.video] if self.video is not None else []
        sinks += self.data.sinks if self.data is not None else []
        sinks += [self.comparison] if self.comparison is not None else []
        arguments = options.engine.pipeline_arguments()
        self.pipeline = Pipeline(
            self.source,
            self.detector,
            self.classifier,
            sinks,
            self.display,
            observers=observers,
            heads=self._open_heads(info, stack),
            drawing=self._drawing(),
            bare_display=self._bare,
            # Who only watches a file sees what a key changes a few frames later, not a few batches.
            batch_frames=1 if self.paced and self._watch == Watch.VIEWER else BATCH_FRAMES,
            other=other,
            on_change=_held_weakly(WeakMethod(self._note_change)),
            **arguments,
        )
        self.controls = Controls(self.pipeline, options.engine, info, self.messages.say)
        stack.callback(self.controls.close)

    def _files_read(self) -> Iterator[tuple[str, Path | int]]:
        if self._options.source is not None:
            yield from files_read(self._options.source)
        for model in (self._options.engine.model, self._options.engine.compare):
            if model is not None:
                yield "the model", model

    def _open_other(self, info: SourceInfo) -> OnnxClassifier | None:
        """The model that is compared with the one of the run."""
        path = self._options.engine.compare
        if path is None:
            return None
        other = open_model(replace(self._options.engine, model=path), info, lambda _: None)
        try:
            check_same_crops(self.classifier.contract, other.contract)
        except ModelError as error:
            raise ModelError(f"--compare {path}: {error}") from error
        self.comparison = Comparison(other.contract.labels, path.name, other.sha256)
        return other

    def _make_rows(self) -> Callable[[], Rows] | None:
        """What makes the rows of a table, where they have columns that others have not."""
        engine, labels = self._options.engine, self.classifier.contract.labels
        compared, calibrated = engine.compare is not None, engine.calibrate is not None
        if self._options.data.groups is not None or not (compared or calibrated):
            return None
        return lambda: FaceRows(labels, compared=compared, calibrated=calibrated)

    def _open_data(self, info: SourceInfo, sound_of: Path | None) -> DataOutputs:
        # A run without data starts without what they need.
        from .data.manifest import run_facts
        from .data.outputs import DataOutputs

        options = self._options
        self._facts = run_facts(info, self.classifier, self.detector, asdict(options.engine) | asdict(options.view))
        labels = self.classifier.contract.labels
        return DataOutputs(options.data, labels, info, sound_of, self._facts, self._make_rows())

    def _note_change(self, setup: Setup, frame: Frame) -> None:
        """Another setup holds from this frame on; on the detector's thread."""
        model = setup.classifier
        assert isinstance(model, OnnxClassifier)
        self.stats.set_engine(setup.detector.name, model.provider, model.path.name)
        if self.data is not None:
            from .data.manifest import change_fact

            self._facts.setdefault("changes", []).append(change_fact(setup.detector, model, setup.smooth, frame))
        self.controls.collect()

    def _open_heads(self, info: SourceInfo, stack: ExitStack) -> HeadFinder | None:
        if self._options.view.anonymise is None:
            return None
        # Always this one, whichever finds the faces that are labelled: it misses the fewest.
        detect_size = self._options.engine.detect_size_for(info)
        detector = stack.enter_context(create_detector("yunet", detect_size=detect_size, min_score=LEAST_SCORE))
        return HeadFinder(detector, self.classifier.contract.framing)

    def _drawing(self) -> Drawing:
        view = self._options.view
        return Drawing(
            style=None if view.anonymise is None else Style(view.anonymise),
            labels=self._options.data.groups is None,
            with_notice=view.notice,
            other_name=None if self._options.engine.compare is None else self._options.engine.compare.name,
        )

    def _open_source(self) -> Source:
        assert self._options.source is not None
        covered, drawn = self._options.view.anonymise is not None, self._options.video.out is not None
        return open_source(
            self._options.source, self._tell_state, writable=covered or drawn or self._watch != Watch.NOBODY
        )

    def end(self) -> Summary:
        """Wait for the last frame, and complete the outputs.

        Raises:
            Exception: what ended the run, as it was raised.
        """
        summary = self.pipeline.wait()
        self._ended = True
        self._complete_facts()
        if self.data is not None:
            self.data.end(interrupted=self.pipeline.stopped)
        return summary

    def _complete_facts(self) -> None:
        """Add to what the manifests say what is known at the end only."""
        if self.comparison is not None:
            self._facts["comparison"] = self.comparison.as_document()
        self._facts["pauses"] = [asdict(hole) for hole in self.pipeline.pause.holes]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about the input and the outputs, one line each; after the end."""
        outputs = [each for each in (self.video, self.data) if each is not None]
        told = [*self.source.warnings, *(warning for output in outputs for warning in output.warnings)]
        if self.video is not None and self.video.padded:
            width, height = self.video.size_wh
            video = self._options.video
            told.append(f"{video.out} is {width}x{height}: {video.codec} has no odd sizes")
        return tuple(told)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that were written; after the end."""
        video = self._options.video.out
        written = [video] if video is not None and self.pipeline.done_frames else []
        return (*written, *(self.data.paths if self.data is not None else ()))

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        late = self._leave() if error is None and not self._ended else None
        error = error or late
        if error is None:
            self._stack.close()
            return
        # Before the source and the sink are closed under the threads that use them.
        self.pipeline.abort(error)
        with suppress(BaseException):
            self.pipeline.wait()
        told = self._with_parts(error)
        self._stack.__exit__(type(told), told, told.__traceback__)
        if told is not error:
            raise told from error
        if late is not None:
            raise late

    def _leave(self) -> BaseException | None:
        """Stop in good order what nobody waits for any more; the error if that fails."""
        if not self.pipeline.is_started:
            return None
        self.pipeline.stop()
        try:
            if self.display is not None:
                for _ in self.display:
                    pass
            self.end()
        except BaseException as error:
            return error
        return None

    def _with_parts(self, error: BaseException) -> BaseException:
        """The error, told with where the parts are that were written before, unless it says so itself."""
        told: list[str] = []
        if self.video is not None and self.video.part is not None and str(self.video.part) not in str(error):
            told.append(f"what was annotated until then plays from {self.video.part}")
        if self.data is not None:
            self._complete_facts()
            with suppress(SinkError):  # of a manifest, where the disk is full: the error itself says more
                self.data.abandon(error)
            if parts := [str(part) for part in self.data.parts if str(part) not in str(error)]:
                told.append(f"the data until then are in {', '.join(parts)}")
        if told and isinstance(error, FerLiveError):
            return type(error)("; ".join([one_line(error), *told]))
        for line in told:
            self._tell(line)
        return error

    def _tell_state(self, state: SourceState) -> None:
        self._tell(f"{state.lost}; reconnecting" if state.is_lost else "frames come again")


def _held_weakly(note: WeakMethod[Callable[[Setup, Frame], None]]) -> Callable[[Setup, Frame], None]:
    """For the pipeline of a session to call. In a cycle they would wait for the garbage collector, which knows nothing
    of how much memory decoders, encoders and models hold: a program that goes from clip to clip would grow and grow.
    """

    def call(setup: Setup, frame: Frame) -> None:
        if (found := note()) is not None:
            found(setup, frame)

    return call
