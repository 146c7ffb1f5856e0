"""The one place that decides what reads a camera, a file, a folder, an address, a pipe or the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fer_live.errors import SourceError
from fer_live.realtime.datatypes import Source

from .live import Backoff, Listener
from .options import SourceOptions

__all__ = ["files_read", "open_source", "sound_file"]

PIPE = "-"


def open_source(wanted: SourceOptions, on_state: Listener | None = None, *, writable: bool = True) -> Source:
    """Open what is wanted.

    Args:
        wanted: what.
        on_state: called when a live source is lost and when it is back, in a thread of the source.
        writable: whether somebody will draw on the frames; where not, a file's are not copied.

    Raises:
        SourceError: it cannot be opened, or an option doesn't go with it.
    """
    backoff = Backoff(give_up_s=wanted.reconnect_s)
    if wanted.camera is not None:
        _refuse(wanted, f"camera {wanted.camera}", fps=False, stream=False)
        from .cameras import CameraSource

        camera = int(wanted.camera) if wanted.camera.isascii() and wanted.camera.isdecimal() else wanted.camera
        return CameraSource(camera, backoff=backoff, on_state=on_state)
    if wanted.screen:
        _refuse(wanted, "screen", fps=True, stream=False)
        from .screen import ScreenSource

        return ScreenSource(fps=float(wanted.fps or 25), backoff=backoff, on_state=on_state)
    if wanted.video is None:
        raise ValueError("photos are no frames of a video: see fer_live.realtime.photos")
    return _open_video(wanted, wanted.video, backoff, on_state, writable)


def _open_video(
    wanted: SourceOptions, video: str, backoff: Backoff, on_state: Listener | None, writable: bool
) -> Source:
    from .image_sequences import DEFAULT_FPS, SequenceSource
    from .network import is_address, shown_address
    from .relay import RelayedSource, wait_for
    from .video_file import FileSource

    if is_address(video):
        _refuse(wanted, shown_address(video), fps=False, stream=True)
        return _open_address(video, wanted.stream, backoff, on_state)
    path = Path(video)
    if video != PIPE and _are_images(path):
        _refuse(wanted, video, fps=True, stream=False)
        return SequenceSource(_images(path), video, wanted.fps or DEFAULT_FPS)
    _refuse(wanted, "standard input" if video == PIPE else video, fps=False, stream=True)
    if video != PIPE:
        return FileSource(path, stream=wanted.stream, writable=writable)
    return RelayedSource(wait_for(lambda: _open_pipe(wanted.stream)))


def _open_address(address: str, stream: int | None, backoff: Backoff, on_state: Listener | None) -> Source:
    from .network import is_always_live, is_finite, open_address, shown_address
    from .relay import RelayedSource, wait_for
    from .streams import StreamSource
    from .video_file import FileSource

    if is_always_live(address):
        return StreamSource(address, stream=stream, backoff=backoff, on_state=on_state)
    container = wait_for(lambda: open_address(address))
    if not is_finite(container, address):
        return StreamSource(address, stream=stream, container=container, backoff=backoff, on_state=on_state)
    name = shown_address(address)
    return RelayedSource(wait_for(lambda: FileSource(name, stream=stream, container=container)))


def _open_pipe(stream: int | None) -> Source:
    from fer_live.realtime.containers import open_pipe

    from .video_file import FileSource

    return FileSource("standard input", stream=stream, container=open_pipe())


def sound_file(wanted: SourceOptions) -> Path | None:
    """The file whose sound belongs to the frames; None for what has no sound or cannot be read twice."""
    from .network import is_address

    if wanted.video is None or wanted.video == PIPE or is_address(wanted.video):
        return None
    return path if (path := Path(wanted.video)).is_file() else None


def files_read(wanted: SourceOptions) -> Iterator[tuple[str, Path | int]]:
    """The files that frames come from, named in words: paths, and for standard input its descriptor.

    Raises:
        SourceError: a folder or sequence has no images.
    """
    from .network import is_address

    if wanted.video == PIPE:
        yield "the input", 0
    elif wanted.video is not None and not is_address(wanted.video):
        path = Path(wanted.video)
        if _are_images(path):
            yield from (("one of the input's images", image) for image in _images(path))
        else:
            yield "the input", path


def _are_images(path: Path) -> bool:
    """Whether this names images, in a folder or a sequence, and not one file."""
    from .image_sequences import is_pattern

    return path.is_dir() or is_pattern(path)


def _images(path: Path) -> list[Path]:
    from .image_sequences import images_in, images_of_pattern

    return images_in(path) if path.is_dir() else images_of_pattern(path)


def _refuse(wanted: SourceOptions, name: str, *, fps: bool, stream: bool) -> None:
    """Say so where an option was given that doesn't go with the source."""
    if wanted.fps is not None and not fps:
        raise SourceError(f"{name}: has its own frame rate; --fps is for images and the screen")
    if wanted.stream is not None and not stream:
        raise SourceError(f"{name}: has no streams to choose from; --stream is for video files and addresses")
