"""The pages build to a site without a warning: no dead link, no page that nothing leads to."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_site_builds_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", tmp_path / "trees", ROOT / "docs"]
    done = subprocess.run([*command, tmp_path / "site"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Facial expressions in video" in (tmp_path / "site" / "index.html").read_text("utf-8")
    assert not any(b"https://fonts" in page.read_bytes() for page in (tmp_path / "site").rglob("*.html"))
