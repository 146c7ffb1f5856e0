"""The tab "Live" by its WebSocket: what a page asks, and what it gets."""

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketTestSession

from fer_live.contract import FER2013_LABELS
from fer_live.realtime import messages
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.options import SourceOptions
from fer_live.realtime.web import live, show
from fer_live.realtime.web.app import create_app
from fer_live.realtime.web.settings import Settings

SAMPLES = Path(__file__).parents[3] / "samples"
HOME = "http://127.0.0.1:8000"


class Page:
    """The other end of a WebSocket, as the script of the page is."""

    def __init__(self, socket: WebSocketTestSession) -> None:
        self._socket = socket
        self.camera: bytes | None = None
        self.state: dict[str, Any] = {}

    def ask(self, what: object, **more: object) -> None:
        self._socket.send_text(json.dumps({"do": what, **more}))

    def send(self, data: str | bytes) -> None:
        (self._socket.send_text if isinstance(data, str) else self._socket.send_bytes)(data)

    def next(self) -> tuple[str, Any]:
        """The next message: its kind, ``picture`` too, and what is in it."""
        message = self._socket.receive()
        assert message["type"] == "websocket.send", message
        if message.get("bytes") is not None:
            return "picture", message["bytes"]
        document = json.loads(message["text"])
        kind = document.pop("kind")
        if kind == "send" and self.camera is not None:
            self.send(self.camera)
        if kind == "state":
            self.state = document
        return kind, document

    def until(self, wanted: str, **values: object) -> Any:
        """The next message of a kind, and with these values."""
        while True:
            kind, found = self.next()
            if kind == wanted and all(found[name] == value for name, value in values.items()):
                return found

    def picture(self) -> tuple[dict[str, Any], np.ndarray]:
        """Ask for a picture: what was found in it, and (H, W, 3)."""
        self.ask("next")
        message = self.until("picture")
        (length,) = struct.unpack_from(">I", message)
        image = cv2.imdecode(np.frombuffer(message, np.uint8, offset=4 + length), cv2.IMREAD_COLOR)
        assert image is not None
        return json.loads(message[4 : 4 + length]), image


@contextmanager
def pages(settings: Settings) -> Iterator[Callable[[], Any]]:
    """Opens pages of a server."""
    with TestClient(create_app(settings), base_url=HOME) as client:

        @contextmanager
        def opened() -> Iterator[Page]:
            url = "ws://127.0.0.1:8000/live/watch"
            with client.websocket_connect(url, headers={"origin": HOME}) as socket:
                yield Page(socket)

        yield opened


def showing(video: Path | None, **engine: object) -> Settings:
    source = None if video is None else SourceOptions(video=str(video))
    return Settings(RunOptions(source, EngineOptions(**engine)))  # type: ignore[arg-type]


def runs() -> int:
    return sum(thread.name == "fer-live page" for thread in threading.enumerate())


def wait_for_no_run() -> None:
    deadline = time.monotonic() + 60
    while runs():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end with the last page."""
    monkeypatch.setattr(show, "LINGER_S", 0.0)


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return (SAMPLES / "astronaut.jpg").read_bytes()


def test_a_page_sees_annotated_pictures_and_what_was_found(long_clip: Path) -> None:
    with pages(showing(long_clip)) as opened, opened() as page:
        offer = page.until("offer")
        assert offer["sources"][0] == ["given", long_clip.name]
        assert [key for key, _ in offer["models"]][:1] == ["bundled"] and "yunet" in offer["detectors"]
        state = page.until("state", phase="running")
        assert state["labels"] == list(FER2013_LABELS) and state["is_live"] is False
        assert state["chosen"]["source"] == "given" and not state["paused"]
        found, image = page.picture()
        while not found["faces"]:
            found, image = page.picture()
        assert image.shape == (360, 640, 3)
        (face,) = found["faces"]
        assert len(face["probabilities"]) == 7 and sum(face["probabilities"]) == pytest.approx(1, abs=0.01)
        left, top, right, bottom = face["box"]
        assert 0 < left < right < 1 and 0 < top < bottom < 1
        figures = page.until("figures")
        assert {"find faces", "detect"} & {stage[0] for stage in figures["stages"]} and figures["lost"] is None


def test_a_picture_comes_only_when_it_is_asked_for(long_clip: Path) -> None:
    with pages(showing(long_clip)) as opened, opened() as page:
        page.picture()
        kinds = [page.next()[0] for _ in range(3)]
        assert "picture" not in kinds
        first, _ = page.picture()
        second, _ = page.picture()
        assert first["index"] < second["index"]


def test_a_file_ends_and_begins_again(tmp_path: Path) -> None:
    short = tmp_path / "pictures"
    short.mkdir()
    for number in range(3):
        cv2.imwrite(str(short / f"{number}.png"), np.full((64, 64, 3), 40 * number, np.uint8))
    with pages(showing(short)) as opened, opened() as page:
        page.until("state", phase="ended")
        assert page.picture()[0]["index"] == 2  # the last one stays
        page.ask("again")
        assert page.picture()[0]["index"] <= 2  # of each state only the newest is told, so that of a new run
        while page.state["phase"] != "ended":
            page.next()


def test_all_pages_stand_still_together(long_clip: Path) -> None:
    with pages(showing(long_clip)) as opened, opened() as page, opened() as other:
        page.until("state", phase="running")
        page.ask("pause", on=True)
        assert other.until("state", paused=True)["phase"] == "running"
        held = None
        for _ in range(8):  # a few are still on their way
            page.ask("next")
            message = page.next()
            held = message if message[0] == "picture" else held
        index = other.picture()[0]["index"]
        other.ask("pause", on=False)
        page.until("state", paused=False)
        assert other.picture()[0]["index"] > index


def test_pages_share_one_run_which_ends_after_the_last(at_once: None, long_clip: Path) -> None:
    with pages(showing(long_clip)) as opened:
        with opened() as page:
            page.picture()
            with opened() as other:
                other.picture()
                assert runs() == 1
                assert page.until("state", viewers=2)
            page.until("state", viewers=1)
            assert runs() == 1
        wait_for_no_run()
        with opened() as page:
            assert page.picture()[0]["index"] < 50


def test_a_page_that_comes_back_soon_finds_the_run_still_there(
    long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "LINGER_S", 60.0)
    with pages(showing(long_clip)) as opened:
        with opened() as page:
            before = page.picture()[0]["index"]
        with opened() as page:
            assert page.picture()[0]["index"] >= before
            assert runs() == 1


def test_model_detector_and_smoothing_change_while_it_goes_on(other_model: Path, long_clip: Path) -> None:
    with pages(showing(long_clip, models=other_model.parent)) as opened, opened() as page:
        index = page.picture()[0]["index"]
        page.ask("setup", model=f"file:{other_model.name}")
        page.until("figures", model=other_model.name)
        page.ask("setup", detector="haar", smooth=False)
        page.until("figures", detector="haar")
        while page.state["chosen"]["detector"] == "yunet":
            page.next()
        assert page.state["chosen"] == {
            "model": f"file:{other_model.name}",
            "detector": "haar",
            "smooth": False,
            "verify_eyes": None,
            "source": "given",
        }
        assert page.picture()[0]["index"] > index


def test_a_model_that_cannot_be_used_changes_nothing(
    tmp_path: Path, long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "SHOWN_S", 600.0)  # else it may be gone before it is told
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pages(showing(long_clip, models=tmp_path)) as opened, opened() as page:
        page.picture()
        page.ask("setup", model="file:broken.onnx")
        figures = page.until("figures")
        while figures["said"] is None or "can't be used" not in figures["said"]:
            figures = page.until("figures")
        assert "broken.onnx" in figures["said"] and figures["model"] != "broken.onnx"
        page.picture()


@pytest.mark.parametrize(
    "asked",
    [
        "no JSON",
        "[]",
        "3",
        "{}",
        '{"do": "eat"}',
        '{"do": "source"}',
        '{"do": "source", "key": "/etc/passwd"}',
        '{"do": "source", "key": ["given"]}',
        '{"do": "source", "key": {"video": "/etc/passwd"}}',
        '{"do": "source", "key": "camera:99999"}',
        '{"do": "setup", "model": "/etc/passwd"}',
        '{"do": "setup", "model": "file:../secret.onnx"}',
        '{"do": "setup", "detector": "scrfd"}',
        '{"do": "setup", "smooth": "yes"}',
        '{"do": "pause"}',
        "[" * 5000,
    ],
)
def test_what_cannot_be_asked_is_told_and_harms_nothing(asked: str) -> None:
    with pages(showing(None)) as opened, opened() as page:
        page.send(asked)
        told = page.until("error")["error"]
        assert told and "\n" not in told
        page.ask("offer")
        page.until("offer")


def test_without_a_source_nothing_runs_until_one_is_chosen() -> None:
    with pages(showing(None)) as opened, opened() as page:
        assert page.until("state")["phase"] == "idle"
        assert runs() == 0


def test_a_source_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pages(showing(tmp_path / "gone.mp4")) as opened, opened() as page:
        state = page.until("state", phase="failed")
        assert "gone.mp4: no such file" in state["reason"]


def test_a_browsers_camera_is_seen_by_itself_alone(jpeg: bytes, long_clip: Path) -> None:
    with pages(showing(long_clip)) as opened, opened() as page, opened() as other:
        page.camera = jpeg
        page.ask("source", key="browser")
        state = page.until("state", phase="running")
        assert state["is_live"] and state["chosen"]["source"] == "browser" and state["viewers"] == 1
        found, image = page.picture()
        assert len(found["faces"]) == 1
        assert image.shape == cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape
        assert other.picture()[1].shape == (360, 640, 3)
        assert other.state["viewers"] == 1 and other.state["chosen"]["source"] == "given"
        assert runs() == 2
        page.ask("source", key="given")
        assert page.until("state", phase="running")["chosen"]["source"] == "given"
        other.until("state", viewers=2)
        assert runs() == 1


def test_pictures_of_a_browser_are_not_trusted(jpeg: bytes) -> None:
    """What is empty, or of too many pixels, is told as a source that is lost, and what comes then is seen."""
    huge = cv2.imencode(".jpg", np.zeros((4000, 4000), np.uint8))[1].tobytes()
    with pages(showing(None)) as opened, opened() as page:
        page.camera = jpeg
        page.ask("source", key="browser")
        for bad in (huge, b""):
            page.camera = jpeg
            page.until("figures", lost=None)
            page.camera = bad
            figures = page.until("figures")
            while figures["lost"] is None:
                figures = page.until("figures")
            assert "picture" in figures["lost"]
        page.camera = jpeg
        page.until("figures", lost=None)
        assert page.picture()[0]["faces"]


def test_a_browsers_camera_is_let_go_with_its_page(jpeg: bytes) -> None:
    with pages(showing(None)) as opened:
        with opened() as page:
            page.ask("source", key="browser")
            page.until("state", phase="opening")
            assert runs() == 1
        wait_for_no_run()
        with opened() as page:
            page.camera = jpeg
            page.ask("source", key="browser")
            page.until("state", phase="running")
        wait_for_no_run()


def test_there_is_an_end_to_cameras_and_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_OWN", 1)
    monkeypatch.setattr(live, "MOST_VIEWERS", 2)
    with pages(showing(None)) as opened, opened() as page, opened() as other:
        page.ask("source", key="browser")
        page.until("send")
        other.ask("source", key="browser")
        assert "1 browsers' cameras" in other.until("error")["error"]
        with opened() as third:
            assert third._socket.receive()["code"] == 1013
