"""``fer-live``: facial expressions in a camera's or a file's video.

Only click is imported at the top: ``--help`` and mistakes on the command line must not wait for numpy and OpenCV.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_live import __version__
from fer_live.cli_errors import debug_option, one_line, run_command
from fer_live.errors import DeviceError, FerLiveError, SinkError

from .data.options import DataOptions, data_options
from .engine_options import EngineOptions, engine_options, open_models
from .sources.options import source_options

if TYPE_CHECKING:
    from types import FrameType

    from .channel import Channel
    from .data.outputs import DataOutputs
    from .datatypes import Detector, Result, Sink, Source, SourceInfo
    from .inference.classifier import OnnxClassifier
    from .observer import Observer
    from .pipeline import Pipeline
    from .sinks.video_file import VideoFileSink
    from .source_state import SourceState
    from .stats import RecentStats
    from .trace import Trace

__all__ = ["main"]

PROG = "fer-live"
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, as on the command line; ``None`` where the engine chooses."""

    camera: str | None
    video: str | None
    screen: bool
    fps: Fraction | None
    stream: int | None
    reconnect: float | None
    engine: EngineOptions
    data: DataOptions
    out: Path | None
    window: bool | None
    codec: str
    preset: str | None
    crf: int | None
    trace: Path | None


@click.command(
    PROG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="An expression is how a face appears, not what a person feels. Stored is what you name; nothing is sent.",
)
@source_options
@engine_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the annotated video: .mp4, .mov or .mkv, with the input's size, times and sound.",
)
@click.option(
    "--window/--no-window",
    default=None,
    help="Show the video in a window; q ends.  [default: where there is no --out, --save or --events]",
)
@data_options
@click.option(
    "--codec",
    type=click.Choice(["h264", "av1", "vp9"]),
    default="h264",
    show_default=True,
    help="How --out is encoded; every browser plays h264.",
)
@click.option("--preset", metavar="NAME", help="Speed of the encoder, in its own words.  [default for h264: ultrafast]")
@click.option(
    "--crf", type=click.IntRange(0, 63), metavar="N", help="Quality of --out, less is better.  [default for h264: 23]"
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what each stage did when, as JSON for https://ui.perfetto.dev.",
)
@debug_option
@click.version_option(__version__, prog_name=PROG)
@click.pass_context
def command(context: click.Context, /, **values: Any) -> None:
    """Find the faces in a video and label their expressions, live or from a file.

    \b
    fer-live --camera 0
    fer-live --video clip.mp4 --out annotated.mp4
    fer-live --video clip.mp4 --save faces.csv --events expressions.vtt
    """  # noqa: D301 -- click knows the control character, not a backslash and a b
    options = Options(engine=EngineOptions.taken_from(values), data=DataOptions.taken_from(values), **values)
    if (options.camera is not None) + (options.video is not None) + options.screen != 1:
        raise click.UsageError("give one of --camera N, --video INPUT and --screen")
    context.exit(_run(options))


def main() -> None:
    """Entry point of ``fer-live``."""
    # NumPy's BLAS has nothing to do here, but its threads, once started, keep cores busy that the stages want.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run_command(command, PROG))


def _run(options: Options) -> int:
    from .channel import Channel, Overflow
    from .pipeline import Pipeline
    from .stats import RecentStats
    from .view.window import why_no_display

    writes = options.out is not None or options.data.asked
    watch = options.window if options.window is not None else not writes
    no_display = why_no_display() if watch else None
    if no_display is not None:
        if not writes:
            raise DeviceError(
                f"{no_display} and nothing to write: give --out FILE or --save FILE, or run where there is a screen"
            )
        _say(f"{no_display}: going on without a window")
        watch = False

    with ExitStack() as stack:
        observers: list[Observer] = []
        if options.trace is not None:
            observers.append(stack.enter_context(_open_trace(options.trace)))
        source, sound_of = _open_source(options)
        stack.enter_context(source)
        options.engine.check_source(source.info)
        sink = stack.enter_context(_open_sink(options, source.info, sound_of)) if options.out is not None else None
        detector, classifier = open_models(options.engine, source.info, stack, _say)
        data = _open_data(options, source.info, sound_of, detector, classifier) if options.data.asked else None
        if data is not None:
            observers.append(stack.enter_context(data).counts)
        # A file that is only watched is shown whole, at its own pace; else the freshest frame will do.
        paced = not source.info.is_live and not writes
        display: Channel[Result] | None = None
        if watch:
            display = Channel(16, Overflow.BLOCK) if paced else Channel(1, Overflow.DROP_OLDEST)
        stats = RecentStats(detector.name, classifier.provider, is_live=source.info.is_live)
        if display is not None:
            observers.append(stats)
        sinks: list[Sink] = [sink] if sink is not None else []
        sinks += data.sinks if data is not None else []
        arguments = options.engine.pipeline_arguments()
        pipeline = Pipeline(source, detector, classifier, sinks, display, observers=observers, **arguments)
        try:
            with _signals(pipeline):
                if display is not None:
                    _watch(pipeline, display, source, stats, paced=paced)
                else:
                    _progress(pipeline, source.info)
                summary = pipeline.wait()
        except BaseException as error:
            # Before the source and the sink are closed under the threads that use them.
            pipeline.abort(error)
            with suppress(BaseException):
                pipeline.wait()
            told = _with_data(_with_part(error, sink), data)
            if told is error:
                raise
            raise told from error
        if data is not None:
            data.end(interrupted=pipeline.stopped)
        outputs = [each for each in (sink, data) if each is not None]
        for warning in [*source.warnings, *(warning for output in outputs for warning in output.warnings)]:
            _say(f"warning: {warning}")
        if sink is not None and sink.padded:
            _say(f"{options.out} is {sink.size_wh[0]}x{sink.size_wh[1]}: {options.codec} has no odd sizes")
        not_shown = f", {display.dropped:,} not shown" if display is not None and display.dropped else ""
        files = ([options.out] if sink is not None and summary.frames else []) + list(data.paths if data else ())
        written = f", written to {', '.join(map(str, files))}" if files else ""
        click.echo(summary.line() + not_shown + written, err=options.data.to_stdout)
        return EXIT_INTERRUPTED if pipeline.interrupted else 0


def _open_source(options: Options) -> tuple[Source, Path | None]:
    """The source, and the file whose sound goes with it."""
    from .sources.open_source import Wanted, open_source, sound_file

    wanted = Wanted(
        options.camera, options.video, options.screen, options.fps, options.stream, reconnect_s=options.reconnect
    )
    return open_source(wanted, _tell_state), sound_file(wanted)


def _tell_state(state: SourceState) -> None:
    _say(f"{state.lost}; reconnecting" if state.is_lost else "frames come again")


def _open_sink(options: Options, info: SourceInfo, sound_of: Path | None) -> VideoFileSink:
    from .sinks.video_file import VideoFileSink

    assert options.out is not None
    return VideoFileSink(
        options.out, info, copy_from=sound_of, codec=options.codec, preset=options.preset, crf=options.crf
    )


def _open_data(
    options: Options, info: SourceInfo, source: Path | None, detector: Detector, classifier: OnnxClassifier
) -> DataOutputs:
    from .data.manifest import run_facts
    from .data.outputs import DataOutputs

    facts = run_facts(info, classifier, detector, asdict(options.engine))
    return DataOutputs(options.data, classifier.contract.labels, info, source, facts)


def _open_trace(path: Path) -> Trace:
    from .trace import Trace

    return Trace(path)


def _watch(pipeline: Pipeline, display: Channel[Result], source: Source, stats: RecentStats, *, paced: bool) -> None:
    from .view.overlay import Overlay
    from .view.window import Window

    overlay, title = Overlay(stats.figures, lambda: source.state), f"{PROG}: {source.info.name}"
    pipeline.start()
    # The window's thread waits for results, so another one looks for a second Ctrl-C: a camera may give none.
    threading.Thread(target=pipeline.wait_until_done, daemon=True).start()
    Window(title, display, overlay, source.info.size_wh, pipeline.observers, paced=paced, on_quit=pipeline.stop).run()


def _progress(pipeline: Pipeline, info: SourceInfo) -> None:
    """Start the pipeline and show how far it is, on stderr, until it is done."""
    if not sys.stderr.isatty():
        # Piped or in a log there is nothing to redraw: the line at the end says it all.
        pipeline.start()
        pipeline.wait_until_done()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} frames" if info.frame_count else "{task.completed:,} frames"),
        TextColumn("{task.fields[fps]:.0f} fps"),
        TimeRemainingColumn() if info.frame_count else TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(Path(info.name).name, total=info.frame_count, fps=0.0)
        pipeline.start()
        while not pipeline.is_done(0.1):
            frames = pipeline.done_frames
            seconds = progress.tasks[0].elapsed or 0.0
            progress.update(task, completed=frames, fps=frames / seconds if seconds > 0.5 else 0.0)


@contextmanager
def _signals(pipeline: Pipeline) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in good order; the second one ends it at once."""

    def end(number: int, _: FrameType | None) -> None:
        first = not pipeline.interrupted
        pipeline.interrupt()
        if first:
            _say("finishing what was read; once more to end at once")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_part(error: BaseException, sink: VideoFileSink | None) -> BaseException:
    """The error, told with where the part is that was written before, unless it says so itself."""
    part = sink.part if sink is not None else None
    if part is None or str(part) in str(error):
        return error
    told = f"what was annotated until then plays from {part}"
    if isinstance(error, FerLiveError):
        return type(error)(f"{one_line(error)}; {told}")
    _say(told)
    return error


def _with_data(error: BaseException, data: DataOutputs | None) -> BaseException:
    """The error, told with where the data are that were written before."""
    if data is None:
        return error
    with suppress(SinkError):  # of a manifest, where the disk is full: the error itself says more
        data.abandon(error)
    parts = [str(part) for part in data.parts if str(part) not in str(error)]
    if not parts:
        return error
    told = f"the data until then are in {', '.join(parts)}"
    if isinstance(error, FerLiveError):
        return type(error)(f"{one_line(error)}; {told}")
    _say(told)
    return error


def _say(message: str) -> None:
    with suppress(OSError):  # whoever read stderr has gone, as tee does at Ctrl-C: no reason to lose a recording
        click.echo(f"{PROG}: {message}", err=True)


if __name__ == "__main__":
    main()
