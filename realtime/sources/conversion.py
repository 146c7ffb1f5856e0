"""What the frames of a source have in common, and how any decoded picture becomes one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from av.video.frame import VideoFrame

from fer_live.realtime.datatypes import ColourTags, Plane
from fer_live.realtime.planes import Orientation, PlanePool, pixels

__all__ = ["Conversion", "Planes"]

Planes = tuple[Plane, Plane, Plane]

_DIRECT = ("yuv420p", "yuvj420p")
_BT601, _RGB = 6, 0  # AVColorSpace
_LIMITED, _FULL = 1, 2  # AVColorRange
_SAME_SHAPE = 0.02  # a difference of aspect ratios that nobody sees


@dataclass(frozen=True, slots=True)
class Conversion:
    """Turns decoded pictures into planes of one size, orientation and range: those of the first picture.

    Planes of 8-bit 4:2:0 video are what the decoder gave, unconverted; everything else (10-bit, 4:2:2, RGB,
    palettes) is converted to limited-range 8-bit 4:2:0. A picture of another size is scaled to the first one's; where
    its shape differs too, it is fitted in and the rest is black, so that faces keep their proportions.

    ``coded_wh``: (width, height) in pixels as stored. ``orientation``: how the first picture is turned. ``pool``:
    where the planes come from. ``writable``: False where nobody will draw on them: they are then, where they need no
    conversion, the decoder's own, lent and write-protected, and nothing is copied.
    """

    coded_wh: tuple[int, int]
    orientation: Orientation
    colour: ColourTags
    pool: PlanePool
    writable: bool = True

    @classmethod
    def of(cls, first: VideoFrame, *, writable: bool = True) -> Self:
        """What the source's first picture says."""
        coded_wh, orientation = (first.width, first.height), Orientation.of(first)
        return cls(
            coded_wh,
            orientation,
            ColourTags(
                matrix=_BT601 if _is_rgb(first) else int(first.colorspace),
                primaries=int(first.color_primaries),
                transfer=int(first.color_trc),
                limited_range=not _is_full_range(first),
            ),
            PlanePool(orientation.size(*coded_wh)),
            writable,
        )

    @property
    def size_wh(self) -> tuple[int, int]:
        """(width, height) in pixels of the planes that come out."""
        return self.orientation.size(*self.coded_wh)

    def planes(self, frame: VideoFrame, orientation: Orientation | None = None) -> Planes:
        """Y, U, V of a picture, nobody else's, unless they are lent: with rows that may be padded then.

        Args:
            frame: the picture.
            orientation: how it is turned; None: as the first one.
        """
        turned = self.orientation if orientation is None else orientation
        fitted_wh = _fitted(turned.size(frame.width, frame.height), self.size_wh)
        coded_wh = turned.size(*fitted_wh)  # a quarter turn swaps them back
        full = not self.colour.limited_range
        as_first = (frame.width, frame.height) == coded_wh and _is_full_range(frame) == full
        if not (as_first and frame.format.name in _DIRECT and frame.planes[0].line_size > 0):
            frame = frame.reformat(
                *coded_wh,
                "yuv420p",
                dst_colorspace=_BT601 if _is_rgb(frame) else None,
                src_color_range=_FULL if _is_full_range(frame) or _is_full_by_format(frame) else _LIMITED,
                dst_color_range=_FULL if full else _LIMITED,
                threads=1,
            )
        if not self.writable and fitted_wh == self.size_wh and not turned.quarter_turns:
            y, u, v = (pixels(plane, writable=False) for plane in frame.planes)
            return y, u, v
        # Copies: the decoder still predicts later frames from its own planes, and ours will be drawn on.
        ours = self.pool.take()
        if fitted_wh != self.size_wh:
            for plane, black in zip(ours, (16 if self.colour.limited_range else 0, 128, 128), strict=True):
                plane[...] = black
        # In chroma samples, so that the planes stay together.
        left, top = ((whole - part) // 4 for whole, part in zip(self.size_wh, fitted_wh, strict=True))
        for plane, given, k in zip(ours, frame.planes, (2, 1, 1), strict=True):
            part = turned.upright(pixels(given))
            plane[k * top : k * top + part.shape[0], k * left : k * left + part.shape[1]] = part
        return ours


def _fitted(size_wh: tuple[int, int], into_wh: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the shape of ``size_wh`` in ``into_wh``; ``into_wh`` itself where the shapes are alike."""
    across, down = into_wh[0] / size_wh[0], into_wh[1] / size_wh[1]
    if abs(across / down - 1) <= _SAME_SHAPE:
        return into_wh
    scale = min(across, down)
    return max(1, round(scale * size_wh[0])), max(1, round(scale * size_wh[1]))


def _is_rgb(frame: VideoFrame) -> bool:
    return frame.format.is_rgb or int(frame.colorspace) == _RGB


def _is_full_range(frame: VideoFrame) -> bool:
    """Whether the planes that come out are full range: only where they need no conversion."""
    if frame.format.name not in _DIRECT:
        return False
    return frame.format.name == "yuvj420p" or int(frame.color_range) == _FULL


def _is_full_by_format(frame: VideoFrame) -> bool:
    """Whether a frame that is converted holds full-range numbers."""
    name = frame.format.name
    return int(frame.color_range) == _FULL or _is_rgb(frame) or name.startswith(("yuvj", "gray", "pal8", "mono"))
