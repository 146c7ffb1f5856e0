from fractions import Fraction

import click
import pytest
from click.testing import CliRunner

from fer_live.realtime.sources.options import source_options


def run(*arguments: str) -> tuple[int, dict]:
    seen: dict = {}

    @click.command()
    @source_options
    def command(**values: object) -> None:
        seen.update(values)

    return CliRunner().invoke(command, arguments).exit_code, seen


@pytest.mark.parametrize(
    ("text", "rate"), [("25", 25), ("29.97", Fraction(2997, 100)), ("30000/1001", Fraction(30000, 1001))]
)
def test_rates_are_exact(text: str, rate: Fraction) -> None:
    assert run("--fps", text)[1]["fps"] == rate


@pytest.mark.parametrize("option", ["--fps 0", "--fps 1/0", "--fps fast", "--fps nan", "--stream -1", "--reconnect -1"])
def test_what_is_no_rate_number_or_time_is_refused(option: str) -> None:
    assert run(*option.split())[0] == 2


def test_nothing_is_chosen_where_nothing_is_said() -> None:
    assert run() == (0, dict.fromkeys(["camera", "video", "image", "fps", "stream", "reconnect"]) | {"screen": False})
