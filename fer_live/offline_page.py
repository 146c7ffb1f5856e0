"""HTML pages that stand on their own: one file that loads nothing, with a policy in it that forbids to."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from html import escape

__all__ = ["data_uri", "html_table", "offline_page"]


def offline_page(title: str, style: str, body: str, *, script: str = "", head: str = "") -> str:
    """A page as HTML 5.

    Its content security policy (https://www.w3.org/TR/CSP3/) lets the browser load nothing from anywhere, show only
    pictures that are within, and apply this style and run this script alone, known by their hashes. So markup that got
    into the body by mistake could not run either; and there are no ``style`` attributes, which are inline styles too.

    Args:
        title: of the page, not escaped yet.
        style: CSS.
        body: what stands in ``<body>``, escaped already.
        script: run at the end; "" for none.
        head: more for ``<head>``, escaped already.
    """
    allowed = ["default-src 'none'", "img-src data:", f"style-src {_hashed(style)}"]
    if script:
        allowed.append(f"script-src {_hashed(script)}")
    policy = "; ".join([*allowed, "base-uri 'none'", "form-action 'none'"])
    lines = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        *([head] if head else []),
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}",
        *([f"<script>{script}</script>"] if script else []),
        "</body>\n</html>\n",
    ]
    return "\n".join(lines)


def html_table(rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table whose first row is its head, in a box that scrolls sideways where it is too narrow; text is escaped."""
    named = f"<caption>{escape(caption)}</caption>\n" if caption else ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    table = f"<table>\n{named}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<div class="wide" tabindex="0">{table}</div>'


def data_uri(data: bytes, kind: str) -> str:
    """A file within a page; ``kind``: its media type, as ``image/png``."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _hashed(text: str) -> str:
    # Browsers hash the element's text as they parsed it, with line feeds alone.
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
