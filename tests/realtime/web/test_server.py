"""``fer-live --serve`` as a user runs it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from fer_live.cli_errors import run_command
from fer_live.realtime.cli import command

PROGRAM = Path(sys.executable).with_name("fer-live")
SAMPLES = Path(__file__).parents[3] / "samples"


@contextmanager
def started(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and the address that it printed."""
    process = subprocess.Popen(
        [PROGRAM, "--serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, process.communicate()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGINT)])
def test_says_where_it_is_and_ends_at_once(number: int) -> None:
    with started("--port", 0, "--video", SAMPLES / "astronaut.mp4") as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        with urlopen(address, timeout=60) as answer:  # answers as soon as the line is there
            assert b"<title>fer-live</title>" in answer.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (130, "", "fer-live: interrupted\n")


def test_other_addresses_need_a_token() -> None:
    with started("--port", 0, "--host", "0.0.0.0") as (_, address):
        made = re.fullmatch(r"http://[^/]+:(\d+)/\?token=([\w-]{32})", address)
        assert made
        with pytest.raises(HTTPError) as error:
            urlopen(f"http://127.0.0.1:{made[1]}/", timeout=60)
        assert error.value.code == 401
        error.value.close()


def test_a_token_of_ones_own_does_not_stand_on_the_command_line() -> None:
    with started("--port", 0, FER_LIVE_TOKEN="a-token-of-my-own") as (_, address):
        assert address.endswith("/?token=a-token-of-my-own")


@pytest.mark.skipif(sys.platform == "win32", reason="the browser is a shell script")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_browser_is_opened_without_a_token_on_its_command_line(host: str, tmp_path: Path) -> None:
    browser, told, seen = tmp_path / "browser", tmp_path / "told", tmp_path / "seen"
    browser.write_text(
        f'#!/bin/sh\ncp "${{1#file://}}" {seen} 2>/dev/null\necho "$1" > {told}.new\nmv {told}.new {told}\n'
    )
    browser.chmod(0o700)
    with started("--port", 0, "--host", host, "--open", BROWSER=str(browser), TMPDIR=str(tmp_path)) as (
        process,
        address,
    ):
        while not told.exists():
            assert process.poll() is None
            time.sleep(0.02)
        if host == "127.0.0.1":
            assert told.read_text().strip() == address
            return
        leading = Path(told.read_text().strip().removeprefix("file://"))
        assert "token" in address and "token" not in told.read_text()
        assert f"0; url={address}" in seen.read_text()
        assert leading.parent.stat().st_mode & 0o77 == 0
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert not leading.parent.exists()


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = [PROGRAM, "--serve", "--port", str(port)]
        done = subprocess.run(refused, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert re.fullmatch(rf"fer-live: error: 127\.0\.0\.1 port {port} can't be listened on: .*--port 0.*\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--serve", "--video", "gone.mp4"], 1, "gone.mp4: no such file"),
        (["--serve", "--video", "-"], 1, "standard input"),
        (["--serve", "--video", str(SAMPLES / "astronaut.mp4"), "--target-latency", "50"], 1, "is not live"),
        (["--serve", "--model", "README.md"], 1, "README.md"),
        (["--serve", "--token", "short"], 2, "--token must have at least 12"),
        (["--serve", "--host", "nowhere.invalid"], 1, "nowhere.invalid port 8000"),
        (["--serve", "--camera", "0", "--video", "x.mp4"], 2, "give one of"),
        (["--serve", "--out", "x.mp4"], 2, "leave out --out"),
        (["--serve", "--window"], 2, "--window"),
        (["--video", "x.mp4", "--port", "8001"], 2, "give --serve too"),
        (["--video", "x.mp4", "--open"], 2, "--open is for the web page"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(
    arguments: list[str], code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command(command, "fer-live", arguments) == code
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("fer-live: error: ") and err.count("\n") == 1 and words in err
