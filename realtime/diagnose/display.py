"""Whether a window can be opened."""

from __future__ import annotations

import os
import platform

import cv2

from fer_live.realtime.view.window import why_no_display

from .findings import Finding, Mark

__all__ = ["opencv", "window"]


def window() -> list[Finding]:
    """Open a window and close it at once."""
    if _gui() == "NONE":
        return [Finding("window", Mark.NOTE, "this OpenCV is built without windows (headless)", "opencv-headless")]
    reason = why_no_display()
    if reason is None:
        where = os.environ.get("DISPLAY", "") or platform.system()
        return [Finding("window", Mark.OK, f"a window opens on {where}", meets="display")]
    if not os.environ.get("DISPLAY"):
        advice = "display-wayland" if os.environ.get("WAYLAND_DISPLAY") else "no-display"
        return [Finding("window", Mark.NOTE, reason, advice)]
    return [Finding("window", Mark.WARNING, reason, "display-refused")]


def opencv() -> list[Finding]:
    """The OpenCV that is imported, whichever package it came with, and what of it fer-live needs."""
    told = f"OpenCV {cv2.__version__} is imported from {os.path.dirname(cv2.__file__)}; windows by {_gui()}"
    if not hasattr(cv2, "CascadeClassifier"):
        return [Finding("cv2", Mark.WARNING, f"{told}; it has no Haar cascades", "opencv-5")]
    return [Finding("cv2", Mark.OK, told)]


def _gui() -> str:
    """What OpenCV draws windows with: ``QT5``, ``GTK3``, ``COCOA``, ``WIN32UI``, ``NONE``."""
    lines = (line.partition(":") for line in cv2.getBuildInformation().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == "GUI"), "") or "NONE"
