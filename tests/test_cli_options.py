from collections.abc import Callable
from typing import Any

import click
from click.testing import CliRunner

from fer_live.cli_options import HeadedCommand, HeadedGroup, headings_of, with_options


def command(*, cls: type[click.Command] = HeadedCommand, plain_first: bool = False) -> click.Command:
    def paint(function: Callable[..., Any]) -> Callable[..., Any]:
        options = [click.option("--colour", help="Which one."), click.option("--brush", help="Which brush.")]
        return with_options(function, options, heading="Paint")

    def more_paint(function: Callable[..., Any]) -> Callable[..., Any]:
        options = [
            click.option("--a-very-long-name-of-an-option-indeed", help="Long."),
            click.option("--h", hidden=True),
        ]
        return with_options(function, options, heading="Paint")

    def paper(function: Callable[..., Any]) -> Callable[..., Any]:
        return with_options(function, [click.option("--size", help="How large.")], heading="Paper")

    def tool(**_: Any) -> None: ...

    made: Any = tool
    for decorate in reversed([*([plain] if plain_first else []), paint, paper, *([] if plain_first else [plain])]):
        made = decorate(made)
    return more_paint(click.command(cls=cls)(made))  # a command that is made already takes options, too


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(function, [click.option("--plain", help="No heading.")])


def test_options_stand_under_their_headings_in_order() -> None:
    made = command()
    context = click.Context(made)
    names = {heading: [param.opts[-1] for param in params] for heading, params in headings_of(made, context).items()}
    assert names == {
        "Paint": ["--colour", "--brush", "--a-very-long-name-of-an-option-indeed"],
        "Paper": ["--size"],
        "Other": ["--plain", "--help"],
    }
    assert list(headings_of(command(plain_first=True), context)) == ["Options", "Paint", "Paper"]


def test_help_is_in_one_column_whatever_the_heading() -> None:
    lines = CliRunner().invoke(command(), ["--help"]).output.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "Usage: tool [OPTIONS]",
        "Paint:",
        "Paper:",
        "Other:",
    ]
    columns = {
        line.index(told) for told in ("Which one.", "How large.", "No heading.") for line in lines if told in line
    }
    assert len(columns) == 1
    assert "--h " not in "\n".join(lines)


def test_commands_of_a_group_come_last() -> None:
    group = command(cls=HeadedGroup)
    assert isinstance(group, HeadedGroup)
    group.add_command(click.Command("sub", help="Does it."))
    output = CliRunner().invoke(group, ["--help"]).output
    assert output.index("Other:") < output.index("Commands:") < output.index("Does it.")


def test_a_command_without_headings_looks_as_ever() -> None:
    made = HeadedCommand("tool", params=[click.Option(["--plain"], help="No heading.")])
    ordinary = click.Command("tool", params=[click.Option(["--plain"], help="No heading.")])
    assert CliRunner().invoke(made, ["--help"]).output == CliRunner().invoke(ordinary, ["--help"]).output
