"""The process that decodes one upload and finds its faces: nothing of a stranger's file is decoded in the server.

It is started as ``python -m fer_live.realtime.web.worker``, gets a :class:`~.task.Task` (pickled) on standard input and
tells how it goes on standard output, a JSON object a line:

    {"event": "opened", "kind": "clip", "width": 640, "height": 360, "frames": 250, "duration_s": 10.0}
    {"event": "progress", "frames_done": 96, "fps": 180.2}
    {"event": "done", "notes": ["warning: …"]}
    {"event": "failed", "status": 415, "reason": "one line"}

It ends when standard input does, which is when the server is gone, however that came.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError, SinkError, SourceError

from .outputs import FACES, stem_of, tables_of
from .task import Limits, Task

if TYPE_CHECKING:
    from fer_live.realtime.run_options import RunOptions
    from fer_live.realtime.session import Session

    from .curves import Curves

__all__ = ["main", "work"]

Tell = Callable[..., None]

PROGRESS_EVERY_S = 0.2


def main() -> None:
    """Do the task on standard input."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as fer-live's own main
    # Libraries print where they like: standard output is kept for what is told.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task: Task = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_server, daemon=True).start()
    _limit(task.limits)

    def tell(event: str, **values: Any) -> None:
        channel.write(json.dumps({"event": event, **values}) + "\n")
        channel.flush()

    work(task, tell)
    channel.close()
    os._exit(0)  # not one library may hold the process up


def work(task: Task, tell: Tell) -> None:
    """Do it, in the task's folder, which becomes the working directory; how it ends is told, whatever happens."""
    os.chdir(task.folder)
    try:
        if _is_photo(task):
            from .photo_work import work_on_photo

            notes = work_on_photo(task, tell)
        else:
            notes = _work_on_clip(task, tell)
        _name_after_upload(task)
    except Exception as error:
        status, reason = _told(error, task.limits)
        # Nothing in the folder has a name that means anything to who reads this.
        tell("failed", status=status, reason=_with_names(reason, task))
    else:
        tell("done", notes=[_with_names(note, task) for note in notes])


def _is_photo(task: Task) -> bool:
    """Whether it is one still picture; what FFmpeg makes of a clip must be what its first bytes said.

    Raises:
        SourceError: it cannot be read, or is another thing after all.
    """
    if task.media_type.may_be_photo and not (task.media_type.demuxers and _moves(Path(task.upload))):
        return True
    from fer_live.realtime.containers import open_input

    with open_input(Path(task.upload)) as container:
        if container.format.name not in task.media_type.demuxers:
            raise SourceError(f"{task.upload}: begins as {task.media_type.name} and is none; it cannot be read")
    return False


def _moves(path: Path) -> bool:
    """Whether a GIF or PNG is an animation; a broken one is not."""
    from PIL import Image

    try:
        with Image.open(path, formats=["GIF", "PNG"]) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # its plugins raise what they like of broken files; who reads it next says so better
        return False


def _work_on_clip(task: Task, tell: Tell) -> list[str]:
    from fer_live.realtime.channel import Aborted
    from fer_live.realtime.session import Session, Watch

    from .curves import Curves

    notes: list[str] = []
    curves = Curves()
    with Session(clip_options(task), watch=Watch.PROGRAM, tell=notes.append) as session:
        _check_clip(session, task, tell)
        session.pipeline.start()
        with suppress(Aborted):  # the run failed, and its end says why
            _follow(session, curves, task, tell)
        tell("progress", frames_done=session.end().frames)
        notes += [f"warning: {warning}" for warning in session.warnings]
    Path(FACES).write_text(json.dumps(curves.document(), separators=(",", ":")))
    return notes


def _follow(session: Session, curves: Curves, task: Task, tell: Tell) -> None:
    """Take each result as it comes, and tell how far it is."""
    assert session.display is not None
    began_s = told_s = time.perf_counter()
    for number, result in enumerate(session.display, 1):
        curves.add(result)
        now_s = time.perf_counter()
        session.pipeline.observers.finished(result, now_s)
        if result.frame.time_s > task.limits.clip_s:
            raise _too_long(task)
        if now_s - told_s >= PROGRESS_EVERY_S:
            told_s = now_s
            tell("progress", frames_done=number, fps=round(number / (now_s - began_s), 1))


def clip_options(task: Task) -> RunOptions:
    """What is asked of a run that makes all that there can be of a clip."""
    from fer_live.realtime.data.options import EVENT_SUFFIXES, DataOptions
    from fer_live.realtime.sources.options import SourceOptions

    tables = tables_of(task)
    events = (Path(f"{task.stem}{'.events' if each == '.csv' else ''}{each}") for each in EVENT_SUFFIXES)
    return replace(
        task.run,
        source=SourceOptions(video=task.upload),
        video=replace(task.run.video, out=Path(f"{task.stem}.annotated.mp4")),
        data=DataOptions(tables, tuple(events), report=Path(f"{task.stem}.report.html")),
        trace=None,
    )


def _check_clip(session: Session, task: Task, tell: Tell) -> None:
    info, limits = session.source.info, task.limits
    width, height = info.size_wh
    if width * height > limits.clip_pixels:
        raise TooMuchError(
            f"{task.upload}: its pictures are too large, {width}x{height}; scale them to {limits.clip_pixels:,} pixels "
            "(4K) or less"
        )
    duration_s = float(info.frame_count / info.fps) if info.frame_count and info.fps else None
    if duration_s is not None and duration_s > limits.clip_s:
        raise _too_long(task)
    tell("opened", kind="clip", width=width, height=height, frames=info.frame_count, duration_s=duration_s)


class TooMuchError(SourceError):
    """It can be read, and is more than the page takes."""


def _too_long(task: Task) -> TooMuchError:
    return TooMuchError(
        f"{task.upload}: is longer than the {task.limits.clip_s / 60:g} minutes that the page takes; cut it, or use "
        "fer-live --video"
    )


def _told(error: Exception, limits: Limits) -> tuple[int, str]:
    """A status as HTTP's, and one line."""
    if type(error.__cause__) is type(error):
        error = error.__cause__  # without where the parts are that were written: they will be deleted
    match error:
        case TooMuchError():
            return 413, one_line(error)
        case SourceError():
            return 415, one_line(error)
        case SinkError():
            return 507, f"{one_line(error).partition(';')[0]}; make room where fer-live runs, or cut the clip shorter"
        case FerLiveError():
            return 422, one_line(error)
        case MemoryError():
            return 413, f"it needs more memory than the {limits.memory_bytes / 2**30:g} GiB that a file may take"
        case ModuleNotFoundError():
            return 422, f"this needs {error.name}, which is not installed where fer-live runs"
    return 500, f"unexpected {type(error).__name__}: {one_line(error)}; please report it"


def _with_names(text: str, task: Task) -> str:
    return text.replace(task.upload, task.name).replace(task.stem, stem_of(task.name))


def _name_after_upload(task: Task) -> None:
    """Put the name that the upload had into what was written: data name their video."""
    folder = Path.cwd().resolve().as_uri()
    for suffix in (".eaf", ".events.csv", ".html", ".json", ".srt", ".vtt"):
        for path in Path().glob(f"{task.stem}*{suffix}"):
            text = path.read_text(encoding="utf-8")
            # ELAN looks for the video beside the document, which is where somebody may put it.
            path.write_text(_with_names(text.replace(f"{folder}/", "./"), task), encoding="utf-8", newline="")


def _limit(limits: Limits) -> None:
    """Hold this process to its limits, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        # Of what is written to alone: CUDA and mapped files take up addresses and no memory.
        "RLIMIT_DATA": limits.memory_bytes,
        "RLIMIT_FSIZE": limits.output_bytes,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name)
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            value = min(value, most)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):  # macOS takes some of them and not others
            continue


def _end_with_server() -> NoReturn:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
