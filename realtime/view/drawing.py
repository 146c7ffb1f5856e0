"""What is done to the picture of a frame before anybody sees it."""

from __future__ import annotations

from fer_live.realtime.datatypes import Result

from .annotate import Annotator
from .anonymise import Style, anonymise_frame
from .hud import legend, message, notice
from .overlay import NOTICE, PAUSED

__all__ = ["Drawing"]

LEARNING = "learning: please look neutral"


class Drawing:
    """Covers heads, then draws what is said of the faces over them.

    Args:
        style: how heads are covered; None: not at all.
        labels: whether faces get boxes, labels and bars; without, nothing on the picture tells of one face.
        with_notice: draw the notice, too.
        other_name: of the model that is compared, for a legend.
    """

    def __init__(
        self,
        *,
        style: Style | None = None,
        labels: bool = True,
        with_notice: bool = False,
        other_name: str | None = None,
    ) -> None:
        self._style, self._with_notice = style, with_notice
        self._legend = None if other_name is None else f"2nd, thin bars: {other_name}"
        self.shows_faces = style is None and labels
        """Whether something of a single face may be shown: its crop, or what the model makes of that."""
        self._annotator = Annotator() if labels else None

    def cover(self, result: Result) -> None:
        """Cover the heads of ``result`` on the planes of its frame, which are changed.

        Raises:
            ValueError: nobody looked for them: the picture must not be shown.
        """
        if self._style is None:
            return
        if result.heads is None:
            raise ValueError("heads are to be covered, and nobody looked for them")
        anonymise_frame(result.frame, result.heads, self._style)

    def draw(self, result: Result) -> None:
        """Draw on the planes of ``result.frame``, which are changed."""
        if self._annotator is not None:
            self._annotator.draw(result)
        if self._with_notice:
            notice(result.frame, NOTICE)
        if self._legend is not None:
            legend(result.frame, self._legend)
        if result.changes is not None and (result.changes.left_s > 0).any():
            message(result.frame, LEARNING)
        if result.is_last:  # it stands in a recording for as long as the pause lasts
            message(result.frame, PAUSED)
