"""What the keys of the window do in a run, and the window that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fer_live.realtime.inference.classifier import OnnxClassifier
from fer_live.realtime.session import Session

from .keys import Action, help_rows
from .looking import Looking, Model
from .overlay import PAUSED, Overlay
from .selection import Selection
from .snapshots import Snapshots
from .window import Window

__all__ = ["window_for"]


@contextmanager
def window_for(session: Session, title: str, folder: Path) -> Iterator[Window]:
    """A window for a run that has a display, with all its keys; on the main thread.

    Args:
        session: the run.
        title: of the window.
        folder: where pictures go that are saved by key.
    """
    display, pipeline, info = session.display, session.pipeline, session.source.info
    assert display is not None
    selection = Selection()
    looking = Looking(selection, lambda: _model_of(session))
    state, say = (lambda: session.source.state), _said_by(session)
    overlay = Overlay(session.stats.figures, state, say=say, layers=(looking, selection))
    with Snapshots(folder, session.messages.say) as snapshots, closing(looking):
        actions = _actions(session, overlay, selection, looking, snapshots)
        overlay.keys = help_rows({*actions, Action.QUIT})
        yield Window(
            title,
            display,
            overlay,
            info.size_wh,
            pipeline.observers,
            paced=session.paced,
            on_quit=pipeline.stop,
            actions=actions,
            on_click=selection.at,
            # A camera's frames go by, and the last one stands by itself.
            is_frozen=lambda: pipeline.pause.is_on and not info.is_live,
        )


def _actions(
    session: Session, overlay: Overlay, selection: Selection, looking: Looking, snapshots: Snapshots
) -> dict[Action, Callable[[], None]]:
    controls = session.controls

    def toggle_hud() -> None:
        overlay.hud = not overlay.hud

    def toggle_help() -> None:
        overlay.help = not overlay.help

    def save() -> None:
        if selection.result is not None:
            snapshots.save(looking.picture(selection.result))

    return {
        Action.PAUSE: controls.toggle_pause,
        Action.HUD: toggle_hud,
        Action.MODEL: controls.next_model,
        Action.DETECTOR: controls.next_detector,
        Action.RAW: controls.toggle_smoothing,
        Action.SELECT: selection.next,
        Action.HEAT: looking.toggle_heat,
        Action.LAYER: lambda: looking.turn_layer(1),
        Action.LAYER_BACK: lambda: looking.turn_layer(-1),
        Action.SNAPSHOT: save,
        Action.HELP: toggle_help,
    }


def _model_of(session: Session) -> Model | None:
    classifier = session.pipeline.setup.classifier
    return Model(classifier.path, classifier.sha256) if isinstance(classifier, OnnxClassifier) else None


def _said_by(session: Session) -> Callable[[], str | None]:
    """What is to be told at each moment: the newest message while it is new, else that the run stands still."""
    return lambda: (
        session.messages.current or (f"{PAUSED}: press space to resume" if session.pipeline.pause.is_on else None)
    )
