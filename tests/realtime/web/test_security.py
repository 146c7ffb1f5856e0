"""Who may talk to the page, and what a browser may do with it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from fer_live.realtime.web.app import create_app
from fer_live.realtime.web.security import HEADERS
from fer_live.realtime.web.settings import Settings

STATIC = Path(__file__).parents[3] / "realtime" / "web" / "static"
TOKEN = "a-token-of-the-test"
HOME = "http://127.0.0.1:8000"
WATCH = "ws://127.0.0.1:8000/live/watch"


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings()), base_url=HOME) as client:
        yield client


@pytest.fixture
def guarded() -> Iterator[TestClient]:
    """A page that listens on every address."""
    app = create_app(Settings(token=TOKEN), "0.0.0.0")
    with TestClient(app, base_url="http://192.168.1.20:8000", follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LocalHost", "[::1]:8000", "127.0.0.5"])
def test_names_of_this_machine_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "192.168.1.20", "localhost.evil.example", "", "[", "127.0.0.1@evil"]
)
def test_other_names_are_not(client: TestClient, host: str) -> None:
    """DNS rebinding: a page of evil.example, whose name was pointed at 127.0.0.1, must not read ours."""
    for path in ("/", "/static/shell.js", "/files"):
        assert client.get(path, headers={"host": host}).status_code == 421


def test_a_foreign_name_is_not_answered_with_a_token_either(guarded: TestClient) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "host": "evil.example"}
    assert guarded.get("/", headers=headers).status_code == 421
    assert guarded.get("/", headers=headers | {"host": "192.168.1.20:8000"}).status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:9000", "http://127.0.0.1", "http://["]
)
def test_only_the_page_itself_changes_something(client: TestClient, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.request(method, "/files", headers=headers).status_code == 403
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(WATCH, headers=headers):
        pass
    assert refused.value.status_code == 403


def test_the_page_itself_may(client: TestClient) -> None:
    assert client.post("/files", headers={"origin": HOME}).status_code == 400  # it announces nothing
    assert client.post("/", headers={"origin": HOME}).status_code == 405
    with client.websocket_connect(WATCH, headers={"origin": HOME}) as socket:
        assert socket.receive_json()["kind"] == "offer"


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?other={TOKEN}"])
def test_without_the_token_there_is_nothing(guarded: TestClient, query: str) -> None:
    for path in ("/", "/static/shell.js", "/files", "/nothing"):
        answer = guarded.get(path + query)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    headers = {"origin": "http://192.168.1.20:8000"}
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        guarded.websocket_connect("ws://192.168.1.20:8000/live/watch", headers=headers),
    ):
        pass
    assert refused.value.status_code == 401


def test_the_token_is_brought_once(guarded: TestClient) -> None:
    first = guarded.get(f"/?token={TOKEN}")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and TOKEN not in cookie
    assert guarded.get("/").status_code == 200
    with guarded.websocket_connect(
        "ws://192.168.1.20:8000/live/watch", headers={"origin": "http://192.168.1.20:8000"}
    ) as socket:
        assert socket.receive_json()["kind"] == "offer"


def test_a_cookie_of_another_run_opens_nothing(guarded: TestClient) -> None:
    old = TestClient(create_app(Settings(token=TOKEN), "0.0.0.0"), base_url=HOME, follow_redirects=False)
    name, value = next(iter(old.get(f"/?token={TOKEN}").cookies.items()))
    assert guarded.get("/", headers={"cookie": f"{name}={value}"}).status_code == 401
    assert guarded.get("/", headers={"cookie": f'{name}="é"'.encode("latin-1")}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/static/live.js", "/static/nothing.js", "/nothing", "/files"])
def test_every_answer_says_what_the_browser_may_do(client: TestClient, guarded: TestClient, path: str) -> None:
    for answer in (client.get(path), client.get(path, headers={"host": "evil.example"}), guarded.get(path)):
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert HEADERS["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_only_the_pages_own_files_are_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_page_refers_to_nothing_outside_and_has_nothing_inline() -> None:
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html)
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "").replace("http://127.0.0.1", "")
        assert not re.search(r"https?://|//\w+\.\w+/|@import|innerHTML|insertAdjacentHTML|eval\(", text), path.name
