"""Tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["plain_table", "sortable_table"]

Cell = tuple[str, object]
"""Markup, escaped already, and what it is sorted by."""


def plain_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text, whose first column names the rows and whose others are figures."""
    head = "".join(f'<th scope="col"{_numbers(n >= 1)}>{escape(text)}</th>' for n, text in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if n == 0 else f'<td class="n">{escape(cell)}</td>'
            for n, cell in enumerate(row)
        )
        + "</tr>\n"
        for row in rows
    )
    return _scrolling(
        caption,
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
    )


def sortable_table(key: str, caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, words: int) -> str:
    """A table that the script lets sort by its columns, the first ``words`` of which are not figures."""
    head = "".join(f'<th scope="col"{_numbers(n >= words)}>{escape(text)}</th>' for n, text in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{_numbers(n >= words)} data-by="{escape(str(by))}">{markup}</td>' for n, (markup, by) in enumerate(row)
        )
        + "</tr>\n"
        for row in rows
    )
    table = f'<table id="{key}"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return _scrolling(caption, table, "tall")


def _scrolling(caption: str, table: str, more: str = "") -> str:
    return f'<div class="scroll {more}" tabindex="0" role="region" aria-label="{escape(caption)}">{table}</div>'


def _numbers(are: bool) -> str:
    return ' class="n"' if are else ""
