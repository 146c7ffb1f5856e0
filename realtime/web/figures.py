"""How a run does, as it is sent to a page."""

from __future__ import annotations

import time
from typing import Any

from fer_live.realtime.session import Session

__all__ = ["figures_of"]


def figures_of(session: Session) -> dict[str, Any]:
    """Of the last seconds: ``fps``, ``age_ms`` (null of a file), ``dropped``, ``faces``, ``stages`` (name, p50, p95 in
    milliseconds a frame, in the order of the pipeline), ``lost`` (null, or why no frames come) and ``said`` (null, or
    what the run has to say at this moment).
    """
    figures, state = session.stats.figures(), session.source.state
    return {
        "fps": round(figures.fps, 1),
        "age_ms": None if figures.age_ms is None else round(figures.age_ms),
        "dropped": figures.dropped,
        "faces": figures.faces,
        "provider": figures.provider,
        "detector": figures.detector,
        "model": figures.model,
        "stages": [[stage.name, round(stage.p50_ms, 2), round(stage.p95_ms, 2)] for stage in figures.stages],
        "said": session.messages.current,
        "lost": state.line(time.perf_counter()) if state.is_lost else None,
    }
