"""Between the planes that travel and the BGR that windows show and cameras give; nothing else converts colours."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from .datatypes import ColourTags, Frame, Plane
from .planes import as_i420

__all__ = ["frame_to_bgr", "planes_from_bgr", "true_bgr"]

_UNSPECIFIED = 2
_LEAST_HD_ROWS = 720


def frame_to_bgr(frame: Frame) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR of a frame, for display: ITU-R BT.601, of the frame's range; any size."""
    height, width = frame.y.shape
    if not frame.limited_range:
        u, v = (_doubled(plane)[:height, :width] for plane in (frame.u, frame.v))
        return np.asarray(cv2.cvtColor(cv2.merge((frame.y, v, u)), cv2.COLOR_YCrCb2BGR), np.uint8)
    i420 = as_i420(frame.y, frame.u, frame.v)
    if i420 is not None:
        return np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), np.uint8)
    i420 = _packed(frame)
    return np.ascontiguousarray(cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)[:height, :width], np.uint8)


def true_bgr(frame: Frame, colour: ColourTags) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR of a frame by the matrix that its video names, slower than :func:`frame_to_bgr`.

    Where none is named it is BT.709 from 720 rows on and BT.601 below, as players have it.
    """
    height, width = frame.y.shape
    matrix = colour.matrix
    if matrix == _UNSPECIFIED:
        matrix = int(Colorspace.ITU709) if height >= _LEAST_HD_ROWS else int(Colorspace.ITU601)
    if matrix not in (Colorspace.ITU709, Colorspace.BT2020):
        return frame_to_bgr(frame)
    picture = VideoFrame.from_ndarray(_packed(frame), "yuv420p").reformat(
        format="bgr24",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=ColorRange.MPEG if frame.limited_range else ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return np.ascontiguousarray(picture.to_ndarray()[:height, :width], np.uint8)


def planes_from_bgr(image: NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
    """The planes y (H, W), u and v (ceil(H / 2), ceil(W / 2)) of a BGR image: ITU-R BT.601, limited range.

    Raises:
        ValueError: ``image`` is not (H, W, 3) uint8 of at least one pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"image must be (H, W, 3) uint8 of at least one pixel, found {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    even_h, even_w = image.shape[:2]
    flat = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8).ravel()
    luma, chroma = even_h * even_w, even_h * even_w // 4
    y = flat[:luma].reshape(even_h, even_w)[:height, :width]
    u, v = flat[luma:].reshape(2, chroma)
    half = (even_h // 2, even_w // 2)
    return np.ascontiguousarray(y), u.reshape(half), v.reshape(half)


def _packed(frame: Frame) -> Plane:
    """A frame's planes as I420 (H * 3 / 2, W); of odd sides the last row or column is repeated."""
    height, width = frame.y.shape
    y = np.pad(frame.y, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else frame.y
    return np.concatenate((y.ravel(), frame.u.ravel(), frame.v.ravel())).reshape(-1, y.shape[1])


def _doubled(plane: Plane) -> Plane:
    return np.repeat(np.repeat(plane, 2, axis=0), 2, axis=1)
