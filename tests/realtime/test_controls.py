"""Models and detectors changed by name while a real clip is worked on."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.contract import METADATA_KEY, Contract
from fer_live.realtime import controls as module
from fer_live.realtime.choices import installed_detectors, offered_models
from fer_live.realtime.datatypes import Result
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.messages import SHOWN_S, Messages
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.session import Session, Watch
from fer_live.realtime.sources.options import SourceOptions

CLIP = Path(__file__).parents[2] / "samples" / "astronaut.mp4"


@contextmanager
def watched(engine: EngineOptions, **options: object) -> Iterator[tuple[Session, list[str], Callable[[], Result]]]:
    """A run whose frames are asked for one by one, with all that it says."""
    told: list[str] = []
    with Session(RunOptions(SourceOptions(video=str(CLIP)), engine, **options), watch=Watch.VIEWER) as session:
        session.controls._tell = told.append
        session.pipeline.start()
        display = session.display
        assert display is not None
        yield session, told, lambda: display.get_many(1, fill=False)[0]
        session.pipeline.stop()
        for _ in display:
            pass
        session.end()


def settle(session: Session) -> None:
    """Wait until all that was asked for has been loaded."""
    done = threading.Event()
    session.controls._loader.submit(done.set)
    assert done.wait(60)


def until(wanted: Callable[[], bool], next_result: Callable[[], Result], most: int = 60) -> None:
    for _ in range(most):
        if wanted():
            return
        next_result()
    raise AssertionError("it never came about")


def with_labels(source: Path, target: Path, labels: tuple[str, ...]) -> Path:
    model = onnx.load(source)
    props = {entry.key: entry.value for entry in model.metadata_props}
    contract = Contract.from_json(props[METADATA_KEY])
    head = replace(contract.heads[0], labels=labels)
    props[METADATA_KEY] = replace(contract, heads=(head, *contract.heads[1:])).to_json()
    onnx.helper.set_model_props(model, props)
    onnx.save(model, target)
    return target


def test_models_take_turns_and_the_manifest_says_from_where_on(tmp_path: Path) -> None:
    from fer_live.realtime.data.options import DataOptions

    table = tmp_path / "rows.jsonl"
    with watched(EngineOptions(), data=DataOptions((table,))) as (session, told, next_result):
        first = next_result()
        session.controls.next_model()
        settle(session)
        assert told == ["loading expression.onnx", "model: expression.onnx"]
        until(lambda: session.stats.figures().model == "expression.onnx", next_result)
        session.controls.next_model()
        settle(session)
        assert told[-1] == "model: expression_int8.onnx"
        until(lambda: session.stats.figures().model == "expression_int8.onnx", next_result)
    changes = json.loads((tmp_path / "rows.jsonl.manifest.json").read_text())["changes"]
    assert [change["model"]["file"] for change in changes] == ["expression.onnx", "expression_int8.onnx"]
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert len(first.faces) == 1 and {row["track"] for row in rows} == {1}
    for change in changes:
        assert next(row["fresh"] for row in rows if row["frame"] == change["from_frame"])


def test_every_installed_detector_takes_over_and_those_before_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    real = module.open_detector

    def opened(options: EngineOptions, *rest: object) -> object:
        detector = real(options, *rest)
        kind = type(detector)
        monkeypatch.setattr(
            kind, "__exit__", lambda self, *_, old=kind.__exit__: (closed.append(self.name), old(self, *_))[1]
        )
        return detector

    monkeypatch.setattr(module, "open_detector", opened)
    names = installed_detectors()
    with watched(EngineOptions()) as (session, told, next_result):
        next_result()
        for name in (*names[1:], names[0]):
            session.controls.next_detector()
            settle(session)
            assert told[-1] == f"detector: {name}"
            until(lambda name=name: session.stats.figures().detector == name, next_result)
            settle(session)
            assert len(session.controls._opened) == 1
        result = next_result()
        assert result.track_ids.tolist() == [1]
    assert closed.count(names[1]) == 1 and closed.count(names[0]) >= 1


def test_what_cannot_be_loaded_changes_nothing_and_the_next_one_is_offered(tmp_path: Path) -> None:
    other = with_labels(asset_path(MODEL), tmp_path / "a.onnx", tuple("abcdefg"))
    (tmp_path / "b.onnx").write_bytes(b"no model")
    engine = EngineOptions(model=asset_path(MODEL), models=tmp_path)
    assert [choice.key for choice in offered_models(engine)][-2:] == ["file:a.onnx", "file:b.onnx"]
    with watched(engine) as (session, told, next_result):
        for _ in range(3):  # int8, a, b
            session.controls.next_model()
            settle(session)
        assert "a.onnx can't be used: its labels (a, b, c" in told[3]
        assert "b.onnx can't be used" in told[5] and "\n" not in told[5]
        assert session.controls.engine.model == asset_path(MODEL_INT8)
        assert session.pipeline.setup.classifier.path == asset_path(MODEL_INT8)
        session.controls.next_model()
        settle(session)
        assert told[-1] == "model: expression.onnx"
        session.controls.use(replace(engine, model=other, smooth=False))
        settle(session)
        assert "raw: each answer of the model as it is" in told and "a.onnx can't be used" in told[-1]
        assert not session.controls.engine.smooth and session.controls.engine.model == asset_path(MODEL)
        assert len(next_result().faces) == 1


def test_of_many_asked_for_at_once_only_the_last_is_loaded() -> None:
    with watched(EngineOptions()) as (session, told, _):
        waits = threading.Event()
        session.controls._loader.submit(waits.wait)
        for name in ("haar", "yunet", "haar"):
            session.controls.change(detector=name)
        session.controls.toggle_smoothing()
        waits.set()
        settle(session)
        assert "detector: yunet" not in told and told[-1] == "detector: haar"
        assert session.controls.engine == EngineOptions(detector="haar", smooth=False)


def test_what_is_fixed_is_refused() -> None:
    with watched(EngineOptions()) as (session, _, __), pytest.raises(ValueError, match="exact can't be changed"):
        session.controls.change(exact=True)


def test_nothing_is_loaded_after_the_end() -> None:
    with watched(EngineOptions()) as (session, _, __):
        pass
    session.controls.next_detector()
    assert session.controls.engine == EngineOptions()


def test_a_message_is_there_for_a_while() -> None:
    now_s = [100.0]
    messages = Messages(lambda: now_s[0])
    assert messages.current is None
    messages.say("paused")
    now_s[0] += SHOWN_S - 0.01
    assert messages.current == "paused"
    now_s[0] += 0.01
    assert messages.current is None
