"""Shell completion: ``fer-live completion SHELL``, and what the shell can't know by itself.

The scripts are click's; :func:`fer_live.cli_errors.run_command` answers what they ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fer_live.cli_errors import completion_variable, debug_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["complete_camera", "complete_path", "completion", "words_of"]

_LEAST_WORD = 3


def complete_path(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """A file or folder, for options that take other things, too."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_camera(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """The numbers of the cameras that there are, and the words of their names that tell them apart."""
    from click.shell_completion import CompletionItem

    from fer_live.errors import SourceError

    from .sources.camera_names import camera_names

    try:
        names = camera_names()
    except SourceError:  # macOS, where cameras have no names
        return []
    offered = {str(number): name for number, name in names.items()} | words_of(names)
    wanted = incomplete.casefold()
    return [CompletionItem(word, help=name) for word, name in offered.items() if word.casefold().startswith(wanted)]


def words_of(names: Mapping[int, str]) -> dict[str, str]:
    """The words that stand in one camera's name only, with that name; ``--camera`` takes a part of a name."""
    found = {}
    for name in names.values():
        for word in name.split():
            alone = sum(word.casefold() in other.casefold() for other in names.values()) == 1
            if len(word) >= _LEAST_WORD and word.replace("-", "").isalnum() and alone:
                found[word] = name
    return found


@click.command(short_help="Print what makes your shell complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
def completion(shell: str) -> None:
    """Print a script that makes SHELL complete fer-live and its sister commands at the Tab key.

    Commands, options, their choices, files and cameras are completed.

    \b
    fer-live completion bash > ~/.fer-live.bash; echo ". ~/.fer-live.bash" >> ~/.bashrc
    fer-live completion zsh > ~/.fer-live.zsh; echo ". ~/.fer-live.zsh" >> ~/.zshrc
    fer-live completion fish > ~/.config/fish/conf.d/fer-live.fish
    """  # noqa: D301 -- click knows the control character, not a backslash and a b
    from importlib.metadata import distribution

    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    for script in sorted(distribution("fer-live").entry_points.select(group="console_scripts")):
        name = script.name
        click.echo(kind(click.Command(name), {}, name, completion_variable(name)).source())
