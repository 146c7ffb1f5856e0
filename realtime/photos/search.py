"""Every face of a still picture, large and small: there is time to look more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Detector, Faces, Floats, Frame
from fer_live.realtime.detectors.suppression import suppress
from fer_live.realtime.tracking.tracker import iou

__all__ = ["find_faces", "search_sizes"]

COARSEST_PX = 320
"""Nothing is searched coarser than needed to bring the longer side to this or less: a face may fill the picture."""

WHOLE_PX = 1536
"""A larger copy is searched in tiles: what a network sees at once costs memory, and time beyond a cache."""

OVERLAP_PX = 192
"""Of neighbouring tiles, pixels of the copy. A face that is larger is seen whole on the next coarser copy."""

EDGE_PX = 8
"""A box this close to a tile's inner edge may be a part of a face; the neighbour sees the whole."""

LEAST_PX = 24
"""A face smaller than this on a copy is not taken from it but from the next finer one, which shows it twice as large:
what is so small is sometimes none (docs/photos.md)."""

SURE = 0.85
"""A face of a lower score must be seen on the next coarser copy, too, where it has :data:`SEEN_PX` there: what is only
seen at one scale is sometimes a shoe."""

SEEN_PX = 40
"""A face this high is hardly ever missed: on a coarser copy a blurred or noisy picture is a better one."""

MOST_COMMON = 0.3
"""Of two boxes whose intersection over union is greater only the surer is kept, as within one search."""

MOST_INSIDE = 0.7
"""As that, where so much of the smaller box lies in the other: a part of a face, taken for one at another scale."""


def find_faces(detector: Detector, frame: Frame, finest_px: int | None = None, *, doubtful: bool = False) -> Faces:
    """The faces of a picture, from left to right.

    A detector finds faces in a range of sizes (YuNet: 10 to 300 pixels of what it is shown), so the picture is searched
    at its full resolution, at half of it, and so on down to :data:`COARSEST_PX`: an image pyramid, as in Rowley, Baluja
    and Kanade (1998). All searches together cost a third more than the finest.

    Args:
        detector: on its own, it searches one copy.
        frame: the picture.
        finest_px: longer side of the finest copy that is searched; None: the picture's own.
        doubtful: give all that any copy shows: what one scale alone shows, and a face as often as it is found.
    """
    longest = max(frame.size_wh)
    sizes = search_sizes(longest if finest_px is None else min(finest_px, longest))
    copies: list[Faces] = []
    for size in sizes:
        least = 0.0 if size == sizes[0] else LEAST_PX * longest / size
        copies += [
            Faces.joined([f.only(f.xyxy[:, 3] - f.xyxy[:, 1] >= least) for f in _searched(detector, frame, size)])
        ]
    faces = Faces.joined(copies)
    if not doubtful:
        copy_of = np.repeat(np.arange(len(copies)), [len(each) for each in copies])
        scales = [size / longest for size in sizes]
        keep = [
            index
            for index in _surest(faces.xyxy, faces.score)
            if _is_confirmed(faces.only(np.array([index])), int(copy_of[index]), copies, scales)
        ]
        faces = faces.only(np.array(keep, np.intp))
    return faces.only(np.argsort(faces.xyxy[:, 0] + faces.xyxy[:, 2], kind="stable"))


def _is_confirmed(face: Faces, copy: int, copies: Sequence[Faces], scales: Sequence[float]) -> bool:
    """Whether the next coarser copy shows a face (one), found on ``copy``, that it has to show."""
    height = float(face.xyxy[0, 3] - face.xyxy[0, 1])
    if face.score[0] >= SURE or copy + 1 == len(copies) or height * scales[copy + 1] < SEEN_PX:
        return True
    return bool((iou(face.xyxy, copies[copy + 1].xyxy) > MOST_COMMON).any())


def search_sizes(finest: int) -> list[int]:
    """Longer sides of the copies that are searched, the finest first."""
    sizes = [finest]
    while sizes[-1] > COARSEST_PX:
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def _searched(detector: Detector, frame: Frame, size: int) -> Iterator[Faces]:
    """The faces on the copy whose longer side is ``size``, in pixels of the frame."""
    if size <= WHOLE_PX:
        yield detector.detect(frame, size)
        return
    enlarged = max(frame.size_wh) / size
    columns, rows = (_spans(length, enlarged) for length in frame.size_wh)
    for top, bottom in rows:
        for left, right in columns:
            tile = Frame(
                np.ascontiguousarray(frame.y[top:bottom, left:right]),
                np.ascontiguousarray(frame.u[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2]),
                np.ascontiguousarray(frame.v[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2]),
                frame.index,
                frame.time_s,
                frame.limited_range,
            )
            faces = detector.detect(tile, max(1, round(max(tile.size_wh) / enlarged)))
            yield _moved(_whole(faces, (left, top, right, bottom), frame.size_wh, EDGE_PX * enlarged), left, top)


def _spans(length: int, enlarged: float) -> list[tuple[int, int]]:
    """Begin (even) and end of tiles that cover ``length`` pixels, equally long and overlapping."""
    tile, overlap = WHOLE_PX * enlarged, OVERLAP_PX * enlarged
    if length <= tile:
        return [(0, length)]
    count = int(np.ceil((length - overlap) / (tile - overlap)))
    step = (length - tile) / (count - 1)
    begins = [int(step * number) & ~1 for number in range(count)]
    return [(begin, min(length, begin + 2 + int(tile))) for begin in begins]


def _whole(faces: Faces, tile: tuple[int, int, int, int], size_wh: tuple[int, int], edge: float) -> Faces:
    """Those that no inner edge of their tile cuts; boxes in pixels of the tile."""
    left, top, right, bottom = tile
    box = faces.xyxy
    keep = (
        ((left == 0) | (box[:, 0] > edge))
        & ((top == 0) | (box[:, 1] > edge))
        & ((right == size_wh[0]) | (box[:, 2] < right - left - edge))
        & ((bottom == size_wh[1]) | (box[:, 3] < bottom - top - edge))
    )
    return faces.only(np.asarray(keep, np.bool_))


def _moved(faces: Faces, left: int, top: int) -> Faces:
    by = np.array([left, top], np.float32)
    squares = faces.squares.copy()
    squares[:, :2] += by
    keypoints = None if faces.keypoints is None else faces.keypoints + by
    return Faces(faces.xyxy + np.tile(by, 2), faces.score, squares, keypoints)


def _surest(xyxy: Floats, score: Floats) -> NDArray[np.intp]:
    """Of boxes of the same face the surest: indices of those that stay."""
    return suppress(xyxy, score, MOST_COMMON, MOST_INSIDE)
