"""Tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["plain_table", "sortable_table"]

MANY = 200
"""With more rows, a table is not laid out before it comes into view."""

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
    return _scrolling(caption, "", head, body)


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
    return _scrolling(caption, f' id="{key}"', head, body, " tall many" if len(rows) > MANY else " tall")


def _scrolling(caption: str, key: str, head: str, body: str, tall: str = "") -> str:
    named = escape(caption)
    return (
        f'<div class="scroll{tall}" tabindex="0" role="region" aria-label="{named}"><table{key}>'
        f"<caption>{named}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _numbers(are: bool) -> str:
    return ' class="n"' if are else ""
