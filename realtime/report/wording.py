"""How figures are written in a report."""

from __future__ import annotations

import math

__all__ = ["NOTHING", "clock", "counted", "lasting", "percent", "significant"]

NOTHING = "–"  # noqa: RUF001 -- a dash, as print has it
"""Where there is no figure."""


def clock(time_s: float) -> str:
    """A time in a video: ``0:07.24``, ``1:02:03.50``."""
    hundredths = max(0, round(100 * time_s))
    hours, minutes = hundredths // 360_000, hundredths // 6000 % 60
    seconds = f"{hundredths // 100 % 60:02}.{hundredths % 100:02}"
    return f"{hours}:{minutes:02}:{seconds}" if hours else f"{minutes}:{seconds}"


def lasting(seconds: float) -> str:
    """A length of time: ``7.2 s``, ``3 min 20 s``, ``1 h 2 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60} min"


def percent(part: float, whole: float) -> str:
    """A share; what is there is never ``0 %`` and what is not whole never ``100 %``; a dash of nothing."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    if 0 < share < 1:
        return "< 1 %"
    return "> 99 %" if 99 < share < 100 else f"{share:.0f} %"


def counted(count: int, one: str, many: str = "") -> str:
    """``1 face``, ``1,200 faces``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def significant(value: float, unit: str) -> str:
    """A measure with two or three digits that mean something; a dash where there is none."""
    if math.isnan(value):
        return NOTHING
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
