"""Photos with what was found drawn on them, and as files."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from fer_live.errors import SinkError
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.sinks.targets import check_target
from fer_live.realtime.view.anonymise import Style, anonymise_picture
from fer_live.realtime.view.drawing import Drawing
from fer_live.realtime.view.options import ViewOptions

from .photo import Photo
from .picture import Pixels

__all__ = ["PICTURE_SUFFIXES", "annotate_photo", "covered", "draw_on", "encode_picture", "save_picture"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Of annotated pictures."""

_AS_IT_IS = ViewOptions()

JPEG_QUALITY = 95
"""Of 100, with the colours at full resolution (4:4:4): what is drawn has sharp, coloured edges."""


def annotate_photo(photo: Photo, view: ViewOptions = _AS_IT_IS) -> Pixels:
    """A copy of the picture, (H, W, 3) uint8 BGR, with faces and expressions drawn on it as on a video.

    Where nothing is drawn every pixel is the picture's own; heads are covered where ``view`` says so.

    Raises:
        ValueError: heads are to be covered, and nobody looked for them.
    """
    return draw_on(photo.image, photo.result, view)


def draw_on(image: Pixels, result: Result, view: ViewOptions = _AS_IT_IS) -> Pixels:
    """A copy of ``image`` (H, W, 3) uint8 BGR with ``result``, found in it, drawn on it; the result's frame is not.

    Raises:
        ValueError: heads are to be covered, and nobody looked for them.
    """
    drawn, blank = covered(image, result, view), _blank(image.shape[0], image.shape[1])
    Drawing(with_notice=view.notice).draw(replace(result, frame=blank))
    marks = blank.y > 0
    drawn[marks] = frame_to_bgr(blank)[marks]
    return drawn


def covered(image: Pixels, result: Result, view: ViewOptions) -> Pixels:
    """A copy of ``image`` (H, W, 3) uint8 BGR on which heads are covered where ``view`` says so.

    Raises:
        ValueError: they are to be, and nobody looked for them.
    """
    copy = image.copy()
    if view.anonymise is not None:
        if result.heads is None:
            raise ValueError("heads are to be covered, and nobody looked for them")
        anonymise_picture(copy, result.heads, Style(view.anonymise))
    return copy


def _blank(height: int, width: int) -> Frame:
    """Limited-range planes with a luma of 0, which no colour has there: all that is drawn has 16 or more."""
    half = ((height + 1) // 2, (width + 1) // 2)
    return Frame(np.zeros((height, width), np.uint8), np.zeros(half, np.uint8), np.zeros(half, np.uint8), 0, 0.0)


def encode_picture(image: Pixels, suffix: str) -> bytes:
    """An image file of a picture, without loss as ``.png``, else a JPEG (quality 95, 4:4:4), tagged as sRGB.

    It holds pixels and that profile, nothing of the file that the picture came from.

    Raises:
        ValueError: ``suffix`` is not one of :data:`PICTURE_SUFFIXES`.
    """
    if suffix not in PICTURE_SUFFIXES:
        raise ValueError(f"suffix must be one of {', '.join(PICTURE_SUFFIXES)}, found {suffix!r}")
    file = io.BytesIO()
    rgb = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    if suffix == ".png":
        rgb.save(file, "PNG", icc_profile=_srgb_profile())
    else:
        rgb.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0, icc_profile=_srgb_profile())
    return file.getvalue()


def save_picture(image: Pixels, target: Path, source: Path | None = None) -> Path:
    """Write a picture to a file, which is replaced as a whole or stays as it was; its path is given back.

    Args:
        image: (H, W, 3) uint8 BGR.
        target: its suffix chooses the format.
        source: the file that the picture came from, which must not be overwritten; None where there is none.

    Raises:
        SinkError: it cannot be written, or is the source.
        ValueError: an unknown suffix.
    """
    path, file = check_target(target, source)
    data = encode_picture(image, target.suffix.lower())
    try:
        file.write(data)
        file.close()
        os.replace(file.path, path)
    except OSError as error:
        file.remove()
        reason = error.strerror or str(error)
        raise SinkError(f"{target}: cannot be written ({reason}); make room or choose another place") from error
    return path


@cache
def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The day on which the profile was made, bytes 24 to 35 (ICC.1:2022, 7.2.8): of the same picture the same file.
    profile[24:36] = bytes.fromhex("07ea 0001 0001 0000 0000 0000")
    return bytes(profile)
