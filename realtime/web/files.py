"""The tab "Photo or clip"."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from .settings import Settings

__all__ = ["Files"]


class Files:
    """Its routes, under ``/files``, and the work behind them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Under ``/files``."""
        return []

    async def close(self) -> None:
        """End all that was begun."""
