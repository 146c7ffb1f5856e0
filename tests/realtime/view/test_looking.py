"""What is asked of which face, and what is drawn on the window's copy."""

from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Expressions, Faces, Frame, Predictions, Result
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.explain.explainer import Method
from fer_live.realtime.explain.layers import Layer
from fer_live.realtime.explain.live import Explained, ExplainThread, MapsShown, Question
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.session import Session, Watch
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.options import SourceOptions
from fer_live.realtime.stats import RecentStats
from fer_live.realtime.testing.fakes import grey_frame, make_result
from fer_live.realtime.view.looking import Looking, Model
from fer_live.realtime.view.overlay import Overlay
from fer_live.realtime.view.selection import Selection

LAYERS = tuple(Layer(name, name, (8, 6, 6), "float32") for name in ("stem", "stages.0"))


class Answering(ExplainThread):
    """Answers at once, on the thread that asks; or with a failure; or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Question] = []
        self.failure: str | None = None
        self.layers, self.answers = LAYERS, True

    def ask(self, question: Question) -> None:
        self.asked.append(question)
        if not self.answers:
            return
        number = question.layer % (len(self.layers) + 1)
        maps = None
        if number:
            layer = self.layers[number - 1]
            maps = MapsShown(layer, number, len(self.layers), np.ones(layer.shape, np.float32))
        heat = None if question.label is None else np.ones((48, 48), np.float32)
        self._newest = Explained(question, Method.CAM, self.layers, heat, maps, self.failure)


def result(tracks: tuple[int, ...] = (1, 2), fresh: tuple[bool, ...] = (True, True), seed: int = 0) -> Result:
    """Faces from left to right, each larger than the one before, with their crops."""
    n = len(tracks)
    centres = np.array([[80 + 130 * place, 120, 60 + 20 * place, 0] for place in range(n)], np.float32).reshape(n, 4)
    xyxy = np.hstack([centres[:, :2] - centres[:, 2:3] / 2, centres[:, :2] + centres[:, 2:3] / 2]).astype(np.float32)
    row = np.zeros(7, np.float32)
    row[3] = 1
    predictions = Predictions(np.tile(row, (n, 1)), FER2013_LABELS)
    expressions = replace(Expressions.of(predictions), fresh=np.array(fresh, np.bool_))
    crops = np.random.default_rng(seed).integers(0, 256, (sum(fresh), 1, 48, 48), np.uint8)
    faces = Faces(xyxy, np.ones(n, np.float32), centres)
    frame = grey_frame(np.full((240, 320), 100, np.uint8))
    return Result(frame, faces, np.array(tracks, np.int64), expressions, {}, crops=crops)


@pytest.fixture
def thread() -> Answering:
    return Answering()


@pytest.fixture
def selection() -> Selection:
    return Selection()


@pytest.fixture
def looking(thread: Answering, selection: Selection) -> Looking:
    return Looking(selection, lambda: Model(Path("model.onnx"), "a"), thread)


def drawn(looking: Looking, seen: Result) -> Frame:
    """A copy of the result's frame, drawn on; the frame itself stays clean."""
    frame = seen.frame
    copy = frame.copy()
    looking.draw(copy, seen)
    assert (frame.y == 100).all() and (frame.u == 128).all()
    return copy


def test_nothing_is_asked_or_drawn_until_it_is_wanted(looking: Looking, thread: Answering) -> None:
    assert (drawn(looking, result()).y == 100).all()
    assert thread.asked == [] and not looking.is_urgent


def test_the_selected_face_is_explained_else_the_largest(
    looking: Looking, thread: Answering, selection: Selection
) -> None:
    looking.toggle_heat()
    seen = result()
    both = drawn(looking, seen)
    assert thread.asked[-1].track == 2 and (both.v[50:70, 95:115] != 128).any() and (both.v[50:70, 30:50] == 128).all()
    np.testing.assert_array_equal(thread.asked[-1].crop[0], seen.crops[1])  # type: ignore[index]
    selection.track = 1
    one = drawn(looking, seen)
    assert thread.asked[-1].track == 1 and (one.v[50:70, 30:50] != 128).any() and (one.v[50:70, 95:115] == 128).all()


def test_the_same_crop_is_asked_about_once(looking: Looking, thread: Answering) -> None:
    looking.toggle_heat()
    seen = result()
    drawn(looking, seen)
    drawn(looking, seen)
    still = replace(result(fresh=(False, False)), crops=np.zeros((0, 1, 48, 48), np.uint8))
    drawn(looking, still)
    assert len(thread.asked) == 1
    drawn(looking, result(fresh=(False, True), seed=1))
    assert len(thread.asked) == 2


def test_a_crop_from_before_it_was_wanted_will_do(looking: Looking, thread: Answering) -> None:
    """The run may be paused when the key is pressed."""
    drawn(looking, result())
    looking.turn_layer(1)
    copy = drawn(looking, result(fresh=(False, False)))
    assert len(thread.asked) == 1 and thread.asked[0].label is None and thread.asked[0].layer == 1
    assert (copy.y[:40, :40] != 100).any()  # beside the face, which is at the right


def test_the_figures_make_room_for_maps_at_the_left(looking: Looking) -> None:
    """The largest face is at the right."""
    stats = RecentStats("yunet", "CPUExecutionProvider", is_live=False)
    seen, plain = result(), Overlay(stats.figures, SourceState)
    overlay = Overlay(stats.figures, SourceState, layers=(looking,))
    plain.hud = overlay.hud = True
    at_left = plain.over(seen.frame, seen).y
    assert (overlay.over(seen.frame, seen).y == at_left).all() and looking.side is None
    looking.turn_layer(1)
    shown = overlay.over(seen.frame, seen).y
    table = at_left != 100
    table[200:] = False  # the notice
    rows, columns = np.flatnonzero(table.any(1)), np.flatnonzero(table.any(0))
    found = shown[rows[0] : rows[-1] + 1, 320 - columns[-1] - 1 : 320 - columns[0]]
    assert looking.side == "left"
    np.testing.assert_array_equal(found, at_left[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    looking.turn_layer(-1)
    assert (overlay.over(seen.frame, seen).y == at_left).all()


def test_layers_go_round_in_both_directions(looking: Looking, thread: Answering) -> None:
    seen = result()
    places = []
    for by in (1, 1, 1, 1, -1, -1, -1):
        looking.turn_layer(by)
        drawn(looking, seen)
        known = thread.newest
        places.append(known.maps.number if looking.layer and known is not None and known.maps is not None else 0)
    assert places == [1, 2, 0, 1, 0, 2, 1]


def test_a_face_that_went_is_forgotten(looking: Looking, thread: Answering) -> None:
    looking.toggle_heat()
    drawn(looking, result(tracks=(1, 2)))
    drawn(looking, make_result(result().frame))
    asked = len(thread.asked)
    drawn(looking, result(fresh=(False, False)))
    assert len(thread.asked) == asked


def test_an_answer_about_another_face_or_model_is_not_drawn(selection: Selection, thread: Answering) -> None:
    models = ["a"]
    looking = Looking(selection, lambda: Model(Path("model.onnx"), models[-1]), thread)
    looking.toggle_heat()
    drawn(looking, result())
    thread.answers = False
    models.append("b")
    assert (drawn(looking, result()).v == 128).all() and thread.asked[-1].sha256 == "b"


def test_what_comes_while_the_run_stands_still_is_urgent(looking: Looking, thread: Answering) -> None:
    looking.toggle_heat()
    thread.answers = False
    seen = result()
    drawn(looking, seen)
    assert not looking.is_urgent
    thread.answers = True
    thread.ask(thread.asked[-1])
    assert looking.is_urgent
    drawn(looking, seen)
    assert not looking.is_urgent


@pytest.mark.parametrize("failure", ["the file was replaced", None])
def test_what_can_not_be_looked_into_is_told(looking: Looking, thread: Answering, failure: str | None) -> None:
    thread.failure, thread.layers = failure, ()
    looking.turn_layer(1)
    assert (drawn(looking, result()).y != 100).any()


def test_where_heads_are_covered_nobody_looks(looking: Looking, thread: Answering) -> None:
    looking.toggle_heat()
    covered = replace(result(), crops=None, heads=np.zeros((0, 4), np.float32))
    assert (drawn(looking, covered).y != 100).any() and thread.asked == []


def test_a_model_in_no_file_is_not_looked_into(selection: Selection, thread: Answering) -> None:
    looking = Looking(selection, lambda: None, thread)
    looking.toggle_heat()
    looking.turn_layer(1)
    assert (drawn(looking, result()).y == 100).all() and thread.asked == []


def test_a_saved_picture_shows_what_is_looked_at(looking: Looking) -> None:
    seen = result()
    assert looking.picture(seen) is seen.frame
    looking.toggle_heat()
    drawn(looking, seen)
    assert (looking.picture(seen).v != 128).any() and (seen.frame.v == 128).all()


def test_a_real_run_is_looked_into_while_it_goes_on_and_follows_the_model() -> None:
    clip = Path(__file__).parents[3] / "samples" / "astronaut.mp4"
    seen: list[Explained] = []
    with Session(RunOptions(SourceOptions(video=str(clip)), EngineOptions()), watch=Watch.PROGRAM) as session:
        model = [asset_path(MODEL_INT8)]
        looking = Looking(Selection(), lambda: Model(model[0], sha256(model[0].read_bytes()).hexdigest()))
        looking.toggle_heat()
        looking.turn_layer(-1)
        session.pipeline.start()
        assert session.display is not None
        with closing(looking):
            for shown in session.display:
                copy = looking.picture(shown)
                known = looking._thread.newest
                if known is not None and (not seen or known.question.sha256 != seen[-1].question.sha256):
                    assert known.failure is None and known.heat is not None and known.maps is not None
                    assert known.maps.number == known.maps.count == 7
                    seen.append(known)
                    model[0] = asset_path(MODEL)
                if len(seen) == 2 and known is seen[-1] and not np.array_equal(copy.y, shown.frame.y):
                    break
    assert [answer.maps.layer.precision for answer in seen if answer.maps] == ["int8", "float32"]
