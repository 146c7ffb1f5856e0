"""Of boxes that are about the same face, the surest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Floats

__all__ = ["suppress"]


def suppress(xyxy: Floats, score: Floats, max_overlap: float, max_inside: float | None = None) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes that stay, surest first.

    Args:
        xyxy: (N, 4).
        score: (N,).
        max_overlap: a box goes if its intersection over union with a surer one that stays is greater.
        max_inside: and if more than this share of the smaller of the two lies in the other; None: that doesn't matter.
    """
    area = np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0), axis=1)
    # A stable sort: equal scores keep the order of the grid, so the same frame always gives the same faces.
    rest = np.argsort(-score, kind="stable")
    keep = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        keep.append(best)
        low = np.maximum(xyxy[best, :2], xyxy[rest, :2])
        high = np.minimum(xyxy[best, 2:], xyxy[rest, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        stays = common <= max_overlap * (area[best] + area[rest] - common)
        if max_inside is not None:
            stays &= common <= max_inside * np.minimum(area[best], area[rest])
        rest = rest[stays]
    return np.array(keep, np.intp)
