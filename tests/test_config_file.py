from pathlib import Path
from typing import Any

import click
import pytest

from fer_live.cli_errors import debug_option, run_command
from fer_live.config_file import Settings, config_options, default_path, without_idle, without_rivals

PROG = "fer-tool"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings; the current folder is another one."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "APPDATA", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def run(*arguments: str) -> dict[str, Any]:
    """What the command gets; its exit code as ``code`` where it gets nothing."""
    got: dict[str, Any] = {}

    @click.group(invoke_without_command=True)
    @click.option("--camera")
    @click.option("--video")
    @click.option("--screen", is_flag=True)
    @click.option("--every-n", type=click.IntRange(1, 9), default=4)
    @click.option("--rate", type=float)
    @click.option("--kind", type=click.Choice(["a", "b"]), default="a")
    @click.option("--smooth/--no-smooth", default=True)
    @click.option("--save", type=click.Path(path_type=Path), multiple=True)
    @config_options(PROG)
    @debug_option
    @click.pass_context
    def command(context: click.Context, /, **values: Any) -> None:
        if context.invoked_subcommand is None:
            Settings.of(context).check()
            kept = without_rivals(context, values, [("camera", "video", "screen"), ("screen", "save")])
            got.update(without_idle(context, kept, {"camera": ["rate"]}))

    @command.command()
    @click.pass_context
    def which(context: click.Context) -> None:
        settings = Settings.of(context)
        got.update(path=settings.path, error=settings.error)

    code = run_command(command, PROG, arguments)
    return got or {"code": code}


def write(text: str, name: str = "settings.toml") -> str:
    Path(name).write_text(text)
    return name


def test_values_stand_for_those_of_the_command_line(home: Path) -> None:
    file = write('camera = 2\nevery-n = 7\nrate = 29.97\nkind = "b"\nsmooth = false\nsave = ["a.csv", "~/b.csv"]\n')
    assert run("--config", file) == {
        "camera": "2",
        "video": None,
        "screen": False,
        "every_n": 7,
        "rate": 29.97,
        "kind": "b",
        "smooth": False,
        "save": (Path("a.csv"), home / "b.csv"),
    }


def test_the_command_line_goes_before_the_file() -> None:
    file = write('every-n = 7\nsmooth = false\nsave = "a.csv"\n')
    got = run("--every-n", "3", "--config", file, "--smooth", "--save", "c.csv", "--save", "d.csv")
    assert (got["every_n"], got["smooth"], got["save"]) == (3, True, (Path("c.csv"), Path("d.csv")))


def test_a_rival_on_the_command_line_takes_the_place_of_the_files() -> None:
    file = write('camera = "0"\nscreen = false\nsave = ["a.csv"]\nevery-n = 7\n')
    got = run("--config", file, "--video", "x.mp4")
    assert (got["camera"], got["video"], got["every_n"]) == (None, "x.mp4", 7)
    got = run("--config", file, "--screen")
    assert (got["camera"], got["screen"], got["save"]) == (None, True, ())
    assert run("--config", file)["camera"] == "0"
    got = run("--config", file, "--video", "x.mp4", "--camera", "1")
    assert (got["camera"], got["video"]) == ("1", "x.mp4")  # two on the command line are the command's to refuse


def test_one_file_is_read_without_being_named(home: Path) -> None:
    place = default_path(PROG)
    assert home in place.parents and place.parts[-2:] == (PROG, "config.toml")
    assert run()["every_n"] == 4
    place.parent.mkdir(parents=True)
    place.write_text("every-n = 7\n")
    assert run()["every_n"] == 7
    assert run("--no-config")["every_n"] == 4
    assert run("--config", write("every-n = 2\n"))["every_n"] == 2
    assert run("which") == {"path": place, "error": None}
    assert run("--no-config", "which") == {"path": None, "error": None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n# x\nevery-m = 7\n", ["line 3", "every-m", "did you mean every-n?"]),
        ("every_n = 7\n", ["line 1", "did you mean every-n?"]),
        ("zzzzzz = 7\n", ["line 1", "unknown option zzzzzz"]),
        ("config = 'x'\n", ["unknown option config"]),
        ("debug = true\n", ["unknown option debug"]),
        ("no-smooth = true\n", ["unknown option no-smooth", "smooth"]),
        ("rate = 1\nevery-n = 'many'\n", ["line 2", "every-n", "'many'", "integer"]),
        ("every-n = 10\n", ["line 1", "1<=x<=9"]),
        ("kind = 'c'\n", ["line 1", "'c'", "'a', 'b'"]),
        ("smooth = 'yes'\n", ["line 1", "true or false"]),
        ("camera = true\n", ["line 1", "camera = true", "give a value"]),
        ("camera = ['0', '1']\n", ["line 1", "not a list"]),
        ("[camera]\nn = 0\n", ["line 1", "no sections"]),
        ("every-n = = 7\n", ["no TOML", "line 1"]),
        ("every-n = 1\nevery-n = 2\n", ["no TOML", "line 2"]),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    file = write(text)
    assert run("--config", file) == {"code": 2}
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith(f"{PROG}: error: {file}")
    for word in words:
        assert word in told
    assert "--no-config" not in told  # whoever names a file knows of it


def test_what_needs_an_option_that_is_not_given_does_not_count() -> None:
    file = write("rate = 25.0\nevery-n = 7\n")
    assert (run("--config", file)["rate"], run("--config", file)["every_n"]) == (None, 7)
    assert run("--config", file, "--camera", "0")["rate"] == 25.0
    assert run("--config", file, "--rate", "30")["rate"] == 30.0
    file = write("rate = 25.0\ncamera = 2\n")
    assert run("--config", file)["rate"] == 25.0
    assert run("--config", file, "--video", "x.mp4")["rate"] is None


def test_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bytes.toml").write_bytes(b"camera = '\xff'\n")
    Path("large.toml").write_text("# x\n" * 300_000)
    Path("folder.toml").mkdir()
    for name, word in (("none", "No such file"), ("bytes", "no TOML"), ("large", "too large"), ("folder", "directory")):
        assert run("--config", f"{name}.toml") == {"code": 2}
        assert word in capsys.readouterr().err
    assert run("--config", "x", "--no-config") == run("--no-config", "--config", "x") == {"code": 2}


def test_a_broken_file_stops_the_command_and_none_of_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    place = default_path(PROG)
    place.parent.mkdir(parents=True)
    place.write_text("nonsense = 1\n")
    assert run() == {"code": 2}
    assert "--no-config goes without the file" in capsys.readouterr().err
    assert run("--no-config")["every_n"] == 4
    assert "nonsense" in run("which")["error"]
    assert run("--help") == {"code": 0}
