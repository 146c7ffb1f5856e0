"""Make the pictures of a report in the guide: ``python docs/report_pictures.py``. Needs fer-live[dev] and Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parent
CLIP = DOCS.parent / "samples" / "astronaut.mp4"
SIZES = {"report": (1160, 1110), "report_phone": (390, 844)}


def main() -> None:
    """Report the sample, and photograph the page on a desk and on a phone."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        program = Path(sys.executable).with_name("fer-live")
        subprocess.run([program, "--video", CLIP, "--device", "cpu", "--report", page, "--thumbnails"], check=True)
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        for name, (width, height) in SIZES.items():
            dark = "dark" if width < 600 else "light"
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=dark, offline=True)
            shown = context.new_page()
            shown.goto(page.as_uri())
            shown.locator("#face-1 summary").click()
            if width < 600:
                shown.locator("#over-time .legend").scroll_into_view_if_needed()
                shown.evaluate("document.querySelector('#over-time').scrollIntoView()")
            box = shown.locator("#face-1 .plot").bounding_box()
            assert box is not None
            shown.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
            shown.screenshot(path=DOCS / "images" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
