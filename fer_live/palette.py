"""The colour of each expression, the same in videos and in reports."""

__all__ = ["LABEL_COLOURS", "label_colour"]

LABEL_COLOURS = {
    "angry": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (204, 121, 167),
    "happy": (240, 228, 66),
    "sad": (86, 180, 233),
    "surprise": (230, 159, 0),
    "neutral": (200, 204, 210),
}
"""Okabe and Ito's colour-blind safe palette (2008), sRGB 0..255, by label."""

_OTHER = (150, 150, 220)


def label_colour(label: str) -> tuple[int, int, int]:
    """The colour of a label, sRGB 0..255; all that the palette does not know have the same."""
    return LABEL_COLOURS.get(label, _OTHER)
