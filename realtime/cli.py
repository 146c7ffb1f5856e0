"""``fer-live``: facial expressions in a camera's or a file's video.

Only click is imported at the top: ``--help`` and mistakes on the command line must not wait for numpy and OpenCV.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from fer_live import __version__
from fer_live.cli_errors import debug_option, run_command
from fer_live.cli_options import HeadedGroup, with_options
from fer_live.config_file import Settings, config_options, without_idle, without_rivals
from fer_live.errors import DeviceError
from fer_live.terminals import is_terminal

from .completion import completion
from .data.options import data_options
from .diagnose.commands import doctor, selftest
from .engine_options import engine_options
from .interruption import EXIT_INTERRUPTED, ended_by_signals
from .photos.options import check_photo_options, check_photo_outputs
from .run_options import RunOptions
from .sinks.options import video_options
from .sources.options import source_options
from .view.options import view_options
from .web.options import ServeOptions, serve_options

if TYPE_CHECKING:
    from .datatypes import SourceInfo
    from .pipeline import Pipeline
    from .session import Session

__all__ = ["main"]

F = TypeVar("F", bound=Callable[..., Any])

PROG = "fer-live"
_RIVALS = (
    ("camera", "image", "video", "screen"),
    *(("image", name) for name in ("events", "report", "trace")),
    *(("exact", name) for name in ("detect_every", "classify_every", "detect_size", "target_latency")),
    *(("target_latency", name) for name in ("detect_every", "classify_every")),
    *(
        ("serve", name)
        for name in ("out", "save", "events", "report", "trace", "window", "compare", "calibrate", "image")
    ),
)
"""Options that exclude each other: one on the command line takes the place of another in the settings file."""
_NEEDS = {
    "serve": ("host", "port", "max_upload", "open_browser"),
    "aggregate_only": ("bin", "min_group"),
    "report": ("thumbnails",),
}
"""Options that mean nothing without another one: then those in the settings file don't count."""


def _window_option(command: F) -> F:
    option = click.option(
        "--window/--no-window",
        default=None,
        help="Show the video in a window; q ends.  [default: if there is no --out, --save, --events or --report]",
    )
    return with_options(command, [option], heading="View")


@click.group(
    PROG,
    cls=HeadedGroup,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="An expression is how a face appears, not what a person feels. "
    "Only the files you name are stored; nothing is sent.",
)
@source_options
@engine_options
@video_options
@data_options
@_window_option
@view_options
@serve_options
@config_options(PROG)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what each stage did and when, as JSON for https://ui.perfetto.dev.",
)
@debug_option
@click.version_option(__version__, prog_name=PROG)
@click.pass_context
def command(context: click.Context, /, window: bool | None, **values: Any) -> None:
    """Find the faces in a video and label their expressions, live or from a file.

    \b
    fer-live --camera 0                                  # a window; q ends
    fer-live --video clip.mp4 --out annotated.mp4        # annotated, with its sound
    fer-live --video clip.mp4 --save faces.csv --events expressions.vtt
    fer-live --image photo.jpg --out annotated.jpg
    fer-live --serve --open                              # a page in the browser
    fer-live doctor                                      # what works on this machine
    """  # noqa: D301 -- click knows the control character, not a backslash and a b
    if context.invoked_subcommand is None:
        Settings.of(context).check()
        values = without_rivals(context, values | {"window": window}, _RIVALS)
        values = without_idle(context, values, _NEEDS)
        window = values.pop("window")
        if values["aggregate_only"]:  # set for privacy, also in the file: never passed over
            if values["serve"]:
                raise click.UsageError("--serve shows single faces; it doesn't go with --aggregate-only")
            if values["image"] is not None:
                check_photo_options(["aggregate_only"])
        serve = ServeOptions.taken_from(values)
        options = RunOptions.taken_from(values, needs_source=not serve.serve)
        if options.source is not None and options.source.image is not None:
            check_photo_options(_named(context))
            check_photo_outputs(options, window)
            context.exit(_run_photos(options))
        context.exit(_serve(serve, options, window) if serve.serve else _run(options, window))


for each in (doctor, selftest, completion):
    command.add_command(each)


def main() -> None:
    """Entry point of ``fer-live``."""
    # NumPy's BLAS has nothing to do here, but its threads, once started, keep cores busy that the stages want.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if hasattr(signal, "SIGCHLD"):
        # Inherited as ignored, from some services, it makes every process that is started look as if it had ended well.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.exit(run_command(command, PROG))


def _serve(serve: ServeOptions, options: RunOptions, window: bool | None) -> int:
    if options.writes or options.trace is not None or window:
        raise click.UsageError(
            "--serve shows a page and writes nothing: leave out --out, --save, --events, --report, --trace and --window"
        )
    if options.engine.compare is not None or options.engine.calibrate is not None:
        raise click.UsageError("--compare and --calibrate are for the window and files: leave them out with --serve")
    from .web.server import serve as serve_page

    serve_page(serve, options)
    return 0


def _named(context: click.Context) -> list[str]:
    """The options that are on the command line."""
    return [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def _run_photos(options: RunOptions) -> int:
    from .photos.command import run_photos

    return run_photos(options, _say)


def _run(options: RunOptions, window: bool | None) -> int:
    from .session import Session, Watch

    watch = Watch.VIEWER if _has_window(options, window) else Watch.NOBODY
    with Session(options, watch=watch, tell=_say) as session:
        pipeline = session.pipeline
        with ended_by_signals(pipeline, _say):
            if session.display is not None:
                _watch(session, options.view.snapshots)
            else:
                _progress(pipeline, session.source.info)
            summary = session.end()
        for warning in session.warnings:
            _say(f"warning: {warning}")
        display = session.display
        not_shown = f", {display.dropped:,} not shown" if display is not None and display.dropped else ""
        written = f", written to {', '.join(map(str, session.paths))}" if session.paths else ""
        compared = f", {session.comparison.line()}" if session.comparison is not None else ""
        click.echo(summary.line() + compared + not_shown + written, err=options.data.to_stdout)
        return EXIT_INTERRUPTED if pipeline.interrupted else 0


def _has_window(options: RunOptions, wanted: bool | None) -> bool:
    """Whether a window opens.

    Raises:
        DeviceError: it is wanted and can't, and there is nothing else to do.
    """
    if not (wanted if wanted is not None else not options.writes):
        return False
    from .view.window import why_no_display

    no_display = why_no_display()
    if no_display is None:
        return True
    if not options.writes:
        raise DeviceError(
            f"{no_display} and nothing to write: give --out FILE or --save FILE, or run where there is a screen"
        )
    _say(f"{no_display}: going on without a window")
    return False


def _watch(session: Session, snapshots: Path) -> None:
    from .view.actions import window_for

    session.pipeline.start()
    # The window's thread waits for results, so another one looks for a second Ctrl-C: a camera may give none.
    threading.Thread(target=session.pipeline.wait_until_done, daemon=True).start()
    with window_for(session, f"{PROG}: {session.source.info.name}", snapshots) as window:
        window.run()


def _progress(pipeline: Pipeline, info: SourceInfo) -> None:
    """Start the pipeline and show how far it is, on stderr, until it is done."""
    if not is_terminal(sys.stderr):
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


def _say(message: str) -> None:
    with suppress(OSError):  # whoever read stderr has gone, as tee does at Ctrl-C: no reason to lose a recording
        click.echo(f"{PROG}: {message}", err=True)


if __name__ == "__main__":
    main()
