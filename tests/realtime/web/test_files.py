import csv
import http.client
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fer_live.cli_errors import run_command
from fer_live.realtime.cli import command
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.web import files
from fer_live.realtime.web.settings import Settings
from fer_live.realtime.web.task import Limits

SAMPLES = Path(__file__).parents[3] / "samples"
PHOTO, CLIP = SAMPLES / "astronaut.jpg", SAMPLES / "astronaut.mp4"
PATIENCE_S = 60.0
OVER = ("done", "failed")

Serve = Callable[[Settings], AbstractContextManager[str]]
Json = dict[str, Any]


class Client:
    """What a page does, without a browser."""

    def __init__(self, address: str) -> None:
        self.origin, self.host = address, urlsplit(address).netloc

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Json]:
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        connection.request(method, path, body, {"Origin": self.origin} | headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data, dict(answer.headers)

    def json(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Json]:
        status, data, _ = self.ask(method, path, body)
        return status, json.loads(data or b"{}")

    def announce(self, name: str, size: int, **options: object) -> tuple[int, Json]:
        return self.json("POST", "/files", json.dumps({"name": name, "size": size, "options": options}).encode())

    def send(self, path: Path, **options: object) -> str:
        status, announced = self.announce(path.name, path.stat().st_size, **options)
        assert (status, announced["state"]) == (201, "uploading")
        status, state = self.json("PUT", f"/files/{announced['id']}", path.read_bytes())
        assert status == 202 and state["state"] != "uploading"
        return str(announced["id"])

    def states(self, job_id: str) -> Iterator[Json]:
        """Of a file as a page that watches is told, until it is over."""
        with connect(f"ws://{self.host}/files/{job_id}/watch", origin=self.origin) as socket:
            while True:
                state = json.loads(socket.recv(PATIENCE_S))
                yield state
                if state["state"] in OVER:
                    return

    def over(self, job_id: str) -> Json:
        return list(self.states(job_id))[-1]

    def output(self, state: Json, key: str) -> bytes:
        href = next(output["href"] for output in state["outputs"] if output["key"] == key)
        status, data, _ = self.ask("GET", href)
        assert status == 200
        return data


@pytest.fixture
def client(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Of a server that leaves nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = RunOptions(engine=EngineOptions(target_latency=100.0))  # which is for the other tab
    with serve(Settings(run, max_upload_mb=30)) as address:
        yield Client(address)
    assert list(tmp_path.iterdir()) == []


def rows(data: bytes) -> list[dict[str, str]]:
    """Of a table, without what differs from run to run."""
    found = list(csv.DictReader(io.StringIO(data.decode())))
    return [{key: value for key, value in row.items() if key not in ("latency_ms", "picture")} for row in found]


def test_a_photo_gives_what_the_command_line_gives(client: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    state = client.over(client.send(PHOTO, model="bundled-float32", detector="haar", verify_eyes=True))
    assert (state["kind"], state["width"], state["height"]) == ("photo", 512, 512)
    folder = tmp_path_factory.mktemp("cli")
    model = str(SAMPLES.parent / "fer_live" / "assets" / "expression.onnx")
    chosen = ["--model", model, "--detector", "haar", "--verify-eyes"]
    outputs = ["--out", str(folder / "a.jpg"), "--save", str(folder / "a.csv")]
    assert run_command(command, "fer-live", ["--image", str(PHOTO), *chosen, *outputs]) == 0
    assert rows(client.output(state, "csv")) == rows((folder / "a.csv").read_bytes()) != []
    assert client.output(state, "picture") == (folder / "a.jpg").read_bytes()
    manifest = json.loads(client.output(state, "manifest"))
    assert manifest["output"] == "astronaut.csv" and manifest["model"]["file"] == "expression.onnx"
    assert manifest["options"]["model"] == "expression.onnx"  # where it lies is no visitor's business
    _, shown = client.json("GET", f"/files/{state['id']}/faces")
    assert len(shown["faces"]) == 1 and sum(shown["faces"][0]["permille"]) == pytest.approx(1000, abs=4)
    _, thumbs, headers = client.ask("GET", f"/files/{state['id']}/thumbs")
    assert thumbs[:3] == b"\xff\xd8\xff" and headers["cache-control"] == "no-store"


def test_a_clip_gives_what_the_command_line_gives(client: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    state = client.over(client.send(CLIP))
    assert (state["state"], state["frames"], state["frames_done"]) == ("done", 175, 175)
    folder = tmp_path_factory.mktemp("cli")
    asked = ["--out", folder / "a.mp4", "--save", folder / "a.csv", "--events", folder / "a.vtt"]
    assert run_command(command, "fer-live", ["--video", str(CLIP), *map(str, asked)]) == 0
    assert rows(client.output(state, "csv")) == rows((folder / "a.csv").read_bytes())
    assert client.output(state, "vtt") == (folder / "a.vtt").read_bytes()
    assert client.output(state, "video") == (folder / "a.mp4").read_bytes()
    with av.open(io.BytesIO(client.output(state, "video"))) as video:
        assert video.streams.video[0].codec.name == "h264"
        assert sum(1 for _ in video.decode(video=0)) == 175
    _, shown = client.json("GET", f"/files/{state['id']}/faces")
    assert [len(face["time_s"]) for face in shown["faces"]] == [175]
    assert [event["label"] for event in shown["events"]] == ["happy"]
    assert json.loads(client.output(state, "manifest"))["source"]["name"] == "astronaut.mp4"
    assert b"astronaut.mp4" in client.output(state, "report")
    sent_to_be_kept(client, state)


def sent_to_be_kept(client: Client, state: Json) -> None:
    """Outputs are for a folder; only pictures and videos may be shown, and nothing is left when it is dismissed."""
    for output in state["outputs"]:
        for query in ("", "?view=1"):
            _, data, headers = client.ask("GET", output["href"] + query)
            shown = query and output["key"] == "video"
            assert headers["content-disposition"].startswith("inline" if shown else "attachment")
            assert output["name"] in headers["content-disposition"] and len(data) == output["bytes"]
    href = next(output["href"] for output in state["outputs"] if output["key"] == "video")
    status, data, headers = client.ask("GET", f"{href}?view=1", Range="bytes=100-199")
    assert (status, len(data)) == (206, 100) and headers["content-range"].startswith("bytes 100-199/")
    assert client.json("DELETE", f"/files/{state['id']}")[0] == 204
    assert client.json("GET", href)[0] == client.json("GET", f"/files/{state['id']}")[0] == 404


def test_what_is_refused_is_told_in_one_line(client: Client, tmp_path: Path) -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"
    damaged = CLIP.read_bytes()[:3000]

    def sent(data: bytes, size: int | None = None) -> tuple[int, Json]:
        _, announced = client.announce("thing.mp4", len(data) if size is None else size)
        return client.json("PUT", f"/files/{announced['id']}", data)

    answers = [
        (413, client.announce("large.mp4", 31_000_000)),
        (413, client.json("POST", "/files", b'{"name": "' + b"x" * 20_000)),
        (400, client.json("POST", "/files", b"not JSON")),
        (400, client.json("POST", "/files", b"[" * 16_000)),
        (400, client.json("POST", "/files", b'{"name": 3, "size": 3}')),
        (400, client.announce("a.jpg", 10**400)),
        (400, client.announce("a.jpg", 1, model=str(SAMPLES / "expression.pt"))),
        (400, client.announce("a.jpg", 1, model="file:../../expression.onnx")),
        (400, client.announce("a.jpg", 1, detector="magic")),
        (400, client.announce("a.jpg", 1, verify_eyes="perhaps")),
        (400, sent(b"\xff\xd8\xff", size=2)),
        (415, sent(playlist)),
        (415, sent(b"")),
        (404, client.json("GET", "/files/unknown")),
        (404, client.json("PUT", "/files/unknown", b"x")),
        (404, client.json("GET", "/files/unknown/outputs/video")),
    ]
    for expected, (status, answer) in answers:
        assert status == expected and answer["error"] and "\n" not in answer["error"], answer
    state = client.over(sent_whole(client, damaged))
    assert (state["state"], state["status"]) == ("failed", 415) and state["reason"].startswith("thing.mp4: ")
    assert state["outputs"] == [] and client.json("GET", f"/files/{state['id']}/faces")[0] == 404


def sent_whole(client: Client, data: bytes) -> str:
    _, announced = client.announce("thing.mp4", len(data))
    assert client.json("PUT", f"/files/{announced['id']}", data)[0] == 202
    return str(announced["id"])


def test_two_at_once_wait_for_each_other_and_know_nothing_of_each_other(client: Client, long_clip: Path) -> None:
    first = client.send(long_clip)
    second = client.send(PHOTO)
    assert len(first) >= 32 and first != second
    _, state = client.json("GET", f"/files/{second}")
    assert (state["state"], state["ahead"]) == ("waiting", 1)
    status, choices = client.json("GET", "/files")
    assert status == 200 and first not in json.dumps(choices)
    watching = client.states(second)
    assert next(watching)["state"] == "waiting"
    assert client.json("DELETE", f"/files/{first}")[0] == 204
    assert list(watching)[-1]["state"] == "done"


def test_only_the_page_itself_may_send_and_watch(client: Client) -> None:
    client.origin = "http://elsewhere.example"
    assert client.announce("a.jpg", 1)[0] == 403
    with pytest.raises(Exception, match="403"):
        next(client.states("unknown"))


def test_who_vanishes_is_waited_for_and_deleted(
    serve: Serve, long_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(files, "usual_limits", lambda _: limits)
    with serve(Settings()) as address:
        client = Client(address)
        job_id = client.send(long_clip)
        for state in client.states(job_id):
            if state.get("frames_done"):
                assert state["frames_done"] < state["frames"] and state["fps"] > 0
                break
        object.__setattr__(limits, "away_s", 0.5)  # not before: between sending and watching nobody is there
        folder = next(tmp_path.iterdir())
        give_up_s = time.monotonic() + PATIENCE_S
        while any(path.is_dir() for path in folder.iterdir()):
            assert time.monotonic() < give_up_s
            time.sleep(0.05)
        assert client.json("GET", f"/files/{job_id}")[0] == 404
        with pytest.raises(Exception, match="404"):
            next(client.states(job_id))
    assert list(tmp_path.iterdir()) == []


def test_only_so_many_watch_one_file(client: Client, long_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_WATCHERS", 2)
    address = f"ws://{client.host}/files/{client.send(long_clip)}/watch"
    with connect(address, origin=client.origin) as first, connect(address, origin=client.origin) as second:
        first.recv(PATIENCE_S)
        second.recv(PATIENCE_S)
        with pytest.raises(InvalidStatus) as refused, connect(address, origin=client.origin):
            pass
        assert refused.value.response.status_code == 429 and b"2 pages watch" in refused.value.response.body
    client.json("DELETE", urlsplit(address).path.removesuffix("/watch"))


def test_who_watches_is_told_that_it_was_deleted(client: Client, long_clip: Path) -> None:
    job_id = client.send(long_clip)
    with connect(f"ws://{client.host}/files/{job_id}/watch", origin=client.origin) as socket:
        socket.recv(PATIENCE_S)
        client.json("DELETE", f"/files/{job_id}")
        told = []
        with pytest.raises(ConnectionClosed):
            while True:
                told.append(json.loads(socket.recv(PATIENCE_S)))
    assert told[-1]["reason"] == "long.mkv: was cancelled"
