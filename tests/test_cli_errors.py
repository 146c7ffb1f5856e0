import io
import sys

import click
import pytest

from fer_live.cli_errors import debug_option, run_command
from fer_live.errors import ModelError, SourceError


def command(error: BaseException | None) -> click.Command:
    @click.command()
    @click.option("--n", type=int)
    @debug_option
    def tool(n: int | None) -> None:
        if error is not None:
            raise error

    return tool


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (None, 0, ""),
        (SourceError("a.mp4: no such file"), 1, "tool: error: a.mp4: no such file\n"),
        (ModelError("two\nlines"), 1, "tool: error: two lines\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "tool: error: x: Permission denied\n"),
        (KeyboardInterrupt(), 130, "tool: interrupted\n"),
        (click.Abort(), 130, "tool: interrupted\n"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 1, "pip install 'fer-live[train]'"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 1, "tool: error: No module named 'x'\n"),
        (ZeroDivisionError("by 0"), 1, "tool: error: unexpected ZeroDivisionError: by 0; run it again with --debug"),
        (click.exceptions.Exit(3), 3, ""),
        (click.BadParameter("bad"), 2, "bad"),
    ],
)
def test_exit_codes(error: BaseException | None, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command(error), "tool", []) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err if message else err == ""
    assert "Traceback" not in err


def test_what_a_broken_file_says_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command(ModelError("label \x1b[31m \ud800\n" + 10**6 * "x")), "tool", []) == 1
    told = capsys.readouterr().err
    assert told.startswith("tool: error: label \\x1b[31m \\ud800 xxx") and told.endswith("x…\n")
    assert len(told) < 1100


@pytest.mark.parametrize(("encoding", "told"), [("cp1252", b"\\u65e5.mp4"), ("utf-8", "日.mp4".encode())])
def test_a_name_that_stdout_lacks_is_no_failure(
    encoding: str, told: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def tool() -> None:
        click.echo("written to 日.mp4, caf\udce9.mp4")

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    assert run_command(tool, "tool", []) == 0, capsys.readouterr().err
    assert written.getvalue() == b"written to " + told + b", caf\\udce9.mp4\n"


def test_usage_errors_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command(None), "tool", ["--n", "x"]) == 2
    assert run_command(command(None), "tool", ["--none"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("tool: error: ") and "--help" in line for line in lines)
    assert run_command(command(None), "tool", ["--help"]) == 0
    assert "--debug" in capsys.readouterr().out


@pytest.mark.parametrize("error", [ModelError("broken"), ZeroDivisionError("by 0"), KeyboardInterrupt()])
def test_debug_shows_the_traceback(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(command(error), "tool", ["--debug"])
    assert "Traceback" in capsys.readouterr().err
