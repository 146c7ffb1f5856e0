"""A drawn face in FER2013's framing, to show what a corruption does without showing a person."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_FRAMING

__all__ = ["drawn_face"]


def drawn_face(side: int = 48) -> NDArray[np.uint8]:
    """A smiling face, (side, side) uint8."""
    fine = 16 * side
    image = np.full((fine, fine), 90, np.uint8)

    def oval(x: float, y: float, wide: float, high: float, grey: int, start: float = 0, end: float = 360) -> None:
        centre, axes = (round(x * fine), round(y * fine)), (round(wide * fine), round(high * fine))
        cv2.ellipse(image, centre, axes, 0, start, end, grey, -1)

    def arc(x: float, y: float, wide: float, high: float, start: float, end: float, grey: int, thick: float) -> None:
        centre, axes = (round(x * fine), round(y * fine)), (round(wide * fine), round(high * fine))
        cv2.ellipse(image, centre, axes, 0, start, end, grey, round(thick * fine))

    eyes, mouth = FER2013_FRAMING.eye_line, FER2013_FRAMING.mouth_line
    apart = 0.5 / FER2013_FRAMING.side_eye_distances
    oval(0.5, 0.42, 0.47, 0.52, 45)  # hair
    oval(0.5, 0.54, 0.41, 0.50, 190)
    for x in (0.5 - apart, 0.5 + apart):
        oval(x, eyes, 0.085, 0.045, 240)
        oval(x, eyes, 0.04, 0.045, 35)
        arc(x, eyes - 0.06, 0.11, 0.06, 200, 340, 60, 0.028)
    arc(0.5, 0.54, 0.05, 0.06, 20, 160, 130, 0.02)
    oval(0.5, mouth - 0.05, 0.17, 0.12, 70, 0, 180)
    oval(0.5, mouth - 0.05, 0.14, 0.045, 235, 0, 180)
    light = np.linspace(1.1, 0.75, fine)[None, :]
    shaded = np.clip(image * light, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(shaded, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
