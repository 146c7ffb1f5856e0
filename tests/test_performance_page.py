"""docs/performance.md can be measured anew: every table has marks, and every mark a command."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = runpy.run_path(str(ROOT / "benchmarks" / "page.py"))


def test_every_table_of_the_page_is_made_by_a_command_that_is_there() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert sorted(re.findall(r"<!-- (?!end)(\w+) -->", text)) == sorted(PAGE["COMMANDS"])
    for command in PAGE["COMMANDS"].values():
        assert (ROOT / "benchmarks" / command[0]).is_file()
    unmarked = re.sub(r"<!-- (?!end)\w+ -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    assert not re.search(r"^\|", unmarked, flags=re.MULTILINE)


def test_only_what_stands_between_the_marks_changes() -> None:
    page = "before\n<!-- a -->\n\n| old |\n\n<!-- end -->\nbetween\n<!-- b -->\n<!-- end -->\nafter\n"
    changed = PAGE["replaced"](page, "a", r"| \1 new |")
    assert changed == page.replace("| old |", r"| \1 new |")
    assert PAGE["replaced"](changed, "a", "| old |") == page
    with pytest.raises(SystemExit, match="has 0 marks c"):
        PAGE["replaced"](page, "c", "")
