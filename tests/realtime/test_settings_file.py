"""docs/settings.md says what holds: its example is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

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
