"""fer-live: real-time facial-expression recognition in video.

    import fer_live

    for result in fer_live.open("clip.mp4"):
        for face in result.faces:
            print(result.time_s, face.track, face.label, face.uncertain)

:func:`open` goes through a video, a camera or photos, :class:`Photos` reads photos that come from elsewhere; both give
results (:class:`Result`) with faces (:class:`Face`). Errors are those of :mod:`fer_live.errors`. An expression is how
a face appears, not what a person feels.

This package is also the shared room: the contract between training and live, the one preprocessing path, the errors and
the bundled weights. It imports the standard library, numpy and OpenCV; the commands' runner also click. The live engine
is loaded when :func:`open` or a class is first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# onnxruntime 1.29 and later sends usage data to Microsoft and keeps a device id in the user's cache folder, unless this
# is set before it is imported (docs/licences.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from fer_live.realtime.api.photos import Photos
    from fer_live.realtime.api.results import Face, Result
    from fer_live.realtime.api.run import Run

__all__ = ["Face", "Photos", "Result", "Run", "__version__", "open"]

__version__ = "0.1.0"

_FROM = {"Face": "results", "Photos": "photos", "Result": "results", "Run": "run"}


def open(source: str | os.PathLike[str] | int | None = None, /, **options: Any) -> Run:
    """Go through a video, a camera or photos: ``for result in fer_live.open("clip.mp4"): …``.

    Args:
        source: by what it is: a number is a camera, an image file or a folder of images are photos, in which every
            face is found; all else is a video: a file, an address, ``-`` for standard input. Or name it, as on the
            command line: ``camera="front"``, ``video="frames/"``, ``image="photo.jpg"``, ``screen=True``.
        options: those of ``fer-live --help``, dashes as underscores: ``model="my.onnx"``, ``detector="mediapipe"``,
            ``device="cuda"``, ``smooth=False``, ``exact=True``; ``out="annotated.mp4"``, ``save="faces.csv"`` or
            several in a list, ``events``, ``report``, ``anonymise``. None is as if not given. A settings file is not
            looked for.

    Returns:
        The run, opened. Iterate over it; leave the loop when you like.

    Raises:
        FerLiveError: the source, a model or an output cannot be opened.
        TypeError: there is no such option; the message has the nearest.
        ValueError: a value is not possible, or options don't go together.
    """
    from fer_live.realtime.api.run import open_run

    return open_run(source, options)


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'fer_live' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"fer_live.realtime.api.{_FROM[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
