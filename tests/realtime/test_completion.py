"""Completion as bash and fish ask for it; what the shell itself would add (files) is asked for by type."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_live.realtime.completion import words_of

PROGRAMS = Path(sys.executable).parent

ASK = """
eval "$(fer-live completion bash)"
compopt() { echo files; }  # bash has it only where it completes itself
function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$function "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def told_by(*command: str) -> list[str]:
    """The lines that a shell prints which finds the programs."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fer-live", "--detec"), ["--detector", "--detect-size", "--detect-every"]),
        (("fer-live", "--detector", ""), ["yunet", "mediapipe", "haar"]),
        (("fer-live", "doc"), ["doctor"]),
        (("fer-live", "doctor", "--require", "ca"), ["camera"]),
        (("fer-live", "completion", "b"), ["bash"]),
        (("fer-live", "--model", "mod"), ["files"]),
        (("fer-live", "--video", "cl"), ["files"]),
        (("fer-train", "--precision", "b"), ["bf16"]),
        (("fer-export", "--int"), ["--int8"]),
    ],
)
def test_bash_completes(words: tuple[str, ...], expected: list[str]) -> None:
    assert [line for line in told_by("bash", "--norc", "-c", ASK, "ask", *words) if line] == expected


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_completes() -> None:
    script = 'fer-live completion fish | source; complete -C "fer-live --detector "; complete -C "fer-live doc"'
    lines = told_by("fish", "--no-config", "-c", script)
    assert [line.split("\t")[0] for line in lines] == ["haar", "mediapipe", "yunet", "doctor"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_every_command(shell: str) -> None:
    done = subprocess.run(
        [PROGRAMS / "fer-live", "completion", shell], capture_output=True, text=True, timeout=60, check=True
    )
    for program in ("fer-live", "fer-train", "fer-eval", "fer-export", "fer-search", "fer-filters"):
        assert f"_{program.upper().replace('-', '_')}_COMPLETE={shell}_complete" in done.stdout


def test_only_words_that_tell_cameras_apart_are_offered() -> None:
    names = {0: "Integrated Camera: Integrated C", 2: "Logitech BRIO", 4: "BRIO Camera"}
    assert words_of(names) == {"Logitech": "Logitech BRIO", "Integrated": names[0]}
    assert words_of({}) == {}
