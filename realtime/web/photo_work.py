"""One photo, as a worker does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.data.options import DataOptions
from fer_live.realtime.photos.annotated import covered, save_picture
from fer_live.realtime.photos.photo import Photo
from fer_live.realtime.photos.run import PhotoRun
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.options import SourceOptions

from .outputs import FACES, THUMBS, tables_of
from .task import Task

__all__ = ["THUMB_PX", "work_on_photo"]

THUMB_PX = 96
"""Side of each face's picture."""

THUMBS_A_ROW = 20
"""JPEG ends at 65,535 pixels: 600 faces in one row are too many."""


def work_on_photo(task: Task, tell: Callable[..., None]) -> list[str]:
    """Find the faces of the upload, annotate and write all that there can be of it; what a user should know.

    Raises:
        FerLiveError: it cannot be read, or the model is not usable.
    """
    notes: list[str] = []
    with PhotoRun(photo_options(task), notes.append, name=task.name) as run:
        for photo in run:
            height, width = photo.image.shape[:2]
            tell("opened", kind="photo", width=width, height=height, frames=1)
            image = covered(photo.image, photo.result, task.run.view)
            save_picture(thumbs_of(image, photo.faces.squares), Path(THUMBS))
            Path(FACES).write_text(json.dumps(faces_of(photo), separators=(",", ":")))
        run.end()
        notes += [f"warning: {warning}" for warning in run.warnings]
    return notes


def photo_options(task: Task) -> RunOptions:
    """What is asked of a run that makes all that there can be of a photo."""
    # What came without loss goes back without: a drawing or a screenshot.
    suffix = ".png" if task.media_type.suffix in (".bmp", ".png", ".tiff") else ".jpg"
    return replace(
        task.run,
        source=SourceOptions(image=Path(task.upload)),
        video=replace(task.run.video, out=Path(f"{task.stem}.annotated{suffix}")),
        data=DataOptions(tables_of(task)),
        trace=None,
    )


def faces_of(photo: Photo) -> dict[str, Any]:
    """What the page shows: ``labels``, ``size_wh``, and ``faces`` with ``box`` (left, top, right, bottom), ``score``,
    ``permille`` (probabilities in thousandths), ``shown`` (index of its label), ``doubt`` and the number, ``track``.
    """
    faces, said = photo.faces, photo.expressions
    rows = zip(
        photo.result.track_ids.tolist(),
        np.round(faces.xyxy.astype(float), 1).tolist(),
        faces.score.tolist(),
        np.rint(1000 * said.smoothed.probabilities).astype(int).tolist(),
        said.shown.tolist(),
        said.doubts,
        strict=True,
    )
    return {
        "labels": list(said.raw.labels),
        "size_wh": [photo.image.shape[1], photo.image.shape[0]],
        "thumbs_a_row": THUMBS_A_ROW,
        "faces": [
            {
                "track": track,
                "box": box,
                "score": round(score, 3),
                "permille": permille,
                "shown": shown,
                "doubt": None if doubt is None else str(doubt),
            }
            for track, box, score, permille, shown, doubt in rows
        ],
    }


def thumbs_of(image: NDArray[np.uint8], squares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The faces of a picture (H, W, 3), each :data:`THUMB_PX` square, in rows of :data:`THUMBS_A_ROW`.

    Args:
        image: the picture.
        squares: (N, 4), see :class:`~fer_live.realtime.datatypes.Faces`.
    """
    sheet = np.full((-(-max(1, len(squares)) // THUMBS_A_ROW) * THUMB_PX, THUMBS_A_ROW * THUMB_PX, 3), 128, np.uint8)
    for number, square in enumerate(squares.tolist()):
        top, left = (THUMB_PX * each for each in divmod(number, THUMBS_A_ROW))
        sheet[top : top + THUMB_PX, left : left + THUMB_PX] = _thumb(image, square)
    return sheet


def _thumb(image: NDArray[np.uint8], square: Sequence[float]) -> NDArray[np.uint8]:
    x, y, side, _ = square
    side = max(4.0, 1.15 * side)
    left, top, right, bottom = (round(each) for each in (x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    height, width = image.shape[:2]
    before = (max(0, -left), max(0, -top))
    after = (max(0, right - width), max(0, bottom - height))
    part = image[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if part.size == 0:
        return np.full((THUMB_PX, THUMB_PX, 3), 128, np.uint8)
    square_part = cv2.copyMakeBorder(part, before[1], after[1], before[0], after[0], cv2.BORDER_REPLICATE)
    how = cv2.INTER_AREA if side > THUMB_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square_part, (THUMB_PX, THUMB_PX), interpolation=how), np.uint8)
