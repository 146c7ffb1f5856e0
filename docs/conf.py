"""How Sphinx builds these pages: ``sphinx-build -W docs site``, with the extra ``fer-live[docs]``."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

project = "fer-live"
copyright = "the fer-live authors, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["examples/**"]
html_theme = "furo"
html_title = "fer-live"
html_theme_options = {"navigation_with_keys": True}
html_show_sphinx = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

ROOT = Path(__file__).resolve().parent.parent


def _leave_the_site(_: Sphinx, env: Any, node: nodes.Element, text: nodes.TextElement) -> nodes.TextElement | None:
    """Links to the repository's other files become their names; to what is not there they stay errors."""
    target = str(node.get("reftarget", "")).partition("#")[0]
    here = Path(env.doc2path(node["refdoc"])).parent
    found = (here / target).resolve()
    return text if target and found.exists() and found.is_relative_to(ROOT) else None


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _leave_the_site)
