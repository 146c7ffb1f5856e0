"""How every command of fer-live ends: exit code and one line on stderr, no traceback unless ``--debug`` asks for it.

Exit codes: 0 done, 1 failure, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TextIO

import click

from .errors import FerLiveError
from .printable import printable

__all__ = ["completion_variable", "debug_option", "one_line", "run_command"]

_DEBUG = "fer_live.debug"
_MOST_CHARACTERS = 1000
_EXTRA_OF = {
    **dict.fromkeys(("jinja2", "matplotlib", "onnx", "onnx_ir", "onnxscript", "optuna", "sqlalchemy"), "train"),
    **dict.fromkeys(("tensorboard", "torch", "torchvision"), "train"),
    "mediapipe": "mediapipe",
    "pi_heif": "heic",
    "pyarrow": "data",
    **dict.fromkeys(("starlette", "uvicorn", "websockets"), "web"),
}


def debug_option(command: Any) -> Any:
    """Decorator: adds ``--debug``, which :func:`run_command` reads; the command's function doesn't see it."""

    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta[_DEBUG] = value

    return click.option(
        "--debug", is_flag=True, expose_value=False, callback=remember, help="Show the traceback of an error."
    )(command)


def run_command(command: click.Command, prog: str, arguments: Sequence[str] | None = None) -> int:
    """Run a click command and turn whatever ends it into an exit code; or answer the shell that completes it.

    ``prog: error: message`` goes to stderr for a :class:`~fer_live.errors.FerLiveError` and for any other exception,
    which is a defect and says so; ``prog: interrupted`` for Ctrl-C.

    Args:
        command: the command, with :func:`debug_option` on it.
        prog: its name, for help and messages.
        arguments: the command line without the program; ``sys.argv[1:]`` by default.

    Returns:
        0 done (or what the command gave to ``click.Context.exit``), 1 failure, 2 usage, 130 interrupted.
    """
    variable = completion_variable(prog)
    if asked := os.environ.get(variable):
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, prog, variable, asked)
    debug = False
    _take_any_name(sys.stdout)
    try:
        with command.make_context(prog, list(sys.argv[1:] if arguments is None else arguments)) as context:
            debug = bool(context.meta.get(_DEBUG))
            command.invoke(context)
            return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        message = one_line(Exception(error.format_message()))
        return _fail(f"{prog}: error: {message} (see {prog} --help)", debug, error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail(f"{prog}: interrupted", debug, 130)
    except FerLiveError as error:
        return _fail(f"{prog}: error: {one_line(error)}", debug, 1)
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            return _fail(f"{prog}: error: {one_line(error)}", debug, 1)
        return _fail(f"{prog}: error: this needs {error.name}: pip install 'fer-live[{extra}]'", debug, 1)
    except ImportError as error:  # a wheel whose system library is missing: OpenCV's libGL on a bare Linux, say
        way_out = "; on Debian and Ubuntu: apt install libgl1 libglib2.0-0" if ".so" in str(error) else ""
        return _fail(f"{prog}: error: {one_line(error)}{way_out}", debug, 1)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output, head say, has gone: nothing to tell it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        told = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else one_line(error)
        if _is_nowhere():
            told = f"the current folder was deleted ({told}); change to another one, or give whole paths"
        return _fail(f"{prog}: error: {told}", debug, 1)
    except Exception as error:
        hint = "" if debug else "; run it again with --debug for the traceback, and please report it"
        return _fail(f"{prog}: error: unexpected {type(error).__name__}: {one_line(error)}{hint}", debug, 1)


def _take_any_name(stream: TextIO | None) -> None:
    """Names that the encoding of ``stream`` lacks are to be escaped, as on stderr; a run must not fail over its last
    line. On Windows a file or pipe has the country's code page.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


def _is_nowhere() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def completion_variable(prog: str) -> str:
    """The environment variable by which a shell asks a command what could come next."""
    return f"_{prog}_COMPLETE".replace("-", "_").upper()


def one_line(error: BaseException) -> str:
    """The message of an error as one line that a terminal shows as it is; a very long one is cut.

    A broken file's own bytes may be part of it, escape sequences for the terminal among them.
    """
    line = " ".join(str(error).split()) or type(error).__name__
    if len(line) > _MOST_CHARACTERS:
        line = f"{line[:_MOST_CHARACTERS]}…"
    return printable(line)


def _fail(message: str, debug: bool, code: int) -> int:
    if debug:
        traceback.print_exc()
    click.echo(message, err=True)
    return code
