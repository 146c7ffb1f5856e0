import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_commands_is_current(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "commands_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    current = (DOCS / "commands.md").read_text() == done.stdout
    assert current, "write it anew: python docs/commands_page.py > docs/commands.md"


def test_every_command_is_on_it() -> None:
    headings = re.findall(r"^## (.+)$", (DOCS / "commands.md").read_text(), re.MULTILINE)
    programs = distribution("fer-live").entry_points.select(group="console_scripts")
    assert sorted(headings) == sorted(program.name for program in programs)
