"""The tab "Live"."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from .settings import Settings

__all__ = ["Live"]


class Live:
    """Its routes and the runs behind them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Under ``/live``."""
        return []

    async def close(self) -> None:
        """End the runs."""
