"""One self-contained HTML page of pictures: nothing is fetched when it is opened, by light, by dark or on paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape

from fer_live.offline_page import data_uri, html_table, offline_page

__all__ = ["Picture", "Section", "names_on_page", "picture_page"]

_GENERATOR = '<meta name="generator" content="fer-live pictures">'


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG. ``name``: of its file, without ``.png``; may have folders. ``alt``: what it shows, in words."""

    name: str
    alt: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, paragraphs, pictures, and a table whose first row is its head (empty for none)."""

    title: str
    paragraphs: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    table: Sequence[Sequence[str]] = ()


_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --paper: #fff; --muted: #52606d; --rule: #d9e2ec; --link: #1d5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --paper: #14181d; --muted: #9aa5b1; --rule: #323f4b; --link: #84b9f0; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--rule); }
p { max-width: 45rem; margin: .5rem 0; }
nav a { margin-right: 1rem; } a { color: var(--link); }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; display: block; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15rem .9rem .15rem 0; border-bottom: 1px solid var(--rule); }
th { color: var(--muted); font-weight: 600; }
.wide { overflow-x: auto; }
@media print {
  :root { --ink: #000; --paper: #fff; --muted: #444; --rule: #ccc; --link: #000; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  nav { display: none; } img { break-inside: avoid; max-height: 24cm; width: auto; } h2 { break-after: avoid; }
}
"""


def picture_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page as HTML 5, its pictures within.

    Args:
        title: of the page.
        lead: a paragraph below it.
        sections: in their order; a line of links to them comes first.
    """
    links = " ".join(f'<a href="#s{number}">{escape(section.title)}</a>' for number, section in enumerate(sections))
    parts = [f"<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n<nav>{links}</nav>"]
    for number, section in enumerate(sections):
        parts.append(f'<section>\n<h2 id="s{number}">{escape(section.title)}</h2>')
        parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
        parts += [
            f'<img id="{escape(picture.name)}" alt="{escape(picture.alt)}" src="{data_uri(picture.png, "image/png")}">'
            for picture in section.pictures
        ]
        if section.table:
            parts.append(html_table(section.table))
        parts.append("</section>")
    return offline_page(title, _STYLE, "\n".join(parts), head=_GENERATOR)


def names_on_page(html: str) -> set[str] | None:
    """Names of the pictures on a page that :func:`picture_page` made; None for any other page."""
    if _GENERATOR not in html[:1000]:
        return None
    return {unescape(name) for name in re.findall(r'<img id="([^"]+)"', html)}
