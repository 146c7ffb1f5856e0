"""docs/settings.md says what holds: its example is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fer_live.cli_errors import run_command
from fer_live.realtime.cli import PROG, command
from fer_live.realtime.testing.clips import make_clip

PROGRAM = Path(sys.executable).with_name("fer-live")
PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_example_of_the_documentation_runs(tmp_path: Path, tiny_model: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (command,) = re.findall(r"```sh\nfer-live (--config .*?)\n```", PAGE.read_text())
    (tmp_path / "fer-live.toml").write_text(example)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "interviews.onnx").write_bytes(tiny_model.read_bytes())
    make_clip(tmp_path / "interview.mp4", frames=10, size_wh=(160, 120), fps=25)
    done = subprocess.run(
        [PROGRAM, *command.split()],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in re.findall(r'"([^"~]+\.(?:csv|jsonl|vtt))"', example):
        assert (tmp_path / name).exists()
        manifest = (tmp_path / f"{name}.manifest.json").read_text()
        assert '"detect_every": 2' in manifest and '"smooth": false' in manifest


@pytest.mark.parametrize(
    ("settings", "arguments", "told"),
    [
        # Nothing here is against what the command line asks for, so it comes as far as the missing clip.
        (
            'host = "0.0.0.0"\nport = 8123\nmax-upload = 9\nopen = true\n',
            ["--video", "gone.mp4", "--out", "x.mp4"],
            "gone.mp4",
        ),
        ("serve = true\nport = 8123\n", ["--video", "gone.mp4", "--out", "x.mp4"], "gone.mp4"),
        ("bin = 5\nmin-group = 4\n", ["--video", "gone.mp4", "--out", "x.mp4"], "gone.mp4"),
        ('report = "x.html"\nthumbnails = true\n', ["--image", "gone.jpg", "--out", "x.jpg"], "gone.jpg"),
        (
            'report = "x.html"\nthumbnails = true\ncompare = "x.onnx"\ncalibrate = 5\nimage = "x.jpg"\n',
            ["--serve", "--video", "gone.mp4"],
            "gone.mp4",
        ),
        # What somebody set for privacy is never passed over.
        ('save = ["x.csv"]\naggregate-only = true\n', ["--image", "x.jpg", "--out", "y.jpg"], "and a photo has none"),
        ('save = ["x.csv"]\naggregate-only = true\n', ["--serve"], "--serve shows single faces"),
        ('save = ["x.csv"]\naggregate-only = true\n', ["--video", "x.mp4", "--compare", "x.onnx"], "--compare tells"),
        ('save = ["x.csv"]\naggregate-only = true\n', ["--video", "x.mp4", "--events", "x.vtt"], "--events tells"),
    ],
)
def test_what_of_the_file_counts(
    settings: str,
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("settings.toml").write_text(settings)
    assert run_command(command, PROG, ["--config", "settings.toml", *arguments]) != 0
    assert told in capsys.readouterr().err
