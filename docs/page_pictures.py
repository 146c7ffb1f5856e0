"""Make the pictures of the page in the guide: ``python docs/page_pictures.py``. Needs fer-live[dev] and Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).resolve().parent
SAMPLES = DOCS.parent / "samples"
SIZE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    """Look at the sample clip live, put the sample photo and it on the page, and photograph that."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with serving() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        live(browser, address, "light", SIZE, "page_live")
        live(browser, address, "dark", PHONE, "page_live_phone")
        with_file(browser, address, SAMPLES / "astronaut.jpg", "light").screenshot(**picture("page_photo"))
        clip = with_file(browser, address, SAMPLES / "astronaut.mp4", "dark")
        clip.locator(".event").first.click()
        clip.locator("#file-told").hover()  # off the player, whose buttons then go
        clip.wait_for_timeout(4000)
        clip.screenshot(**picture("page_clip"))
        browser.close()


def picture(name: str) -> dict[str, Any]:
    """Where and how a screenshot is kept."""
    return {"path": DOCS / "images" / f"{name}.jpg", "type": "jpeg", "quality": 85}


@contextmanager
def serving() -> Iterator[str]:
    """The page as the program serves it."""
    program = [Path(sys.executable).with_name("fer-live"), "--serve", "--port", "0", "--device", "cpu"]
    program += ["--video", SAMPLES / "astronaut.mp4"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            server.terminate()


def live(browser: Browser, address: str, scheme: str, size: dict[str, int], name: str) -> None:
    """Photograph the tab for the live view a while after the clip began."""
    with browser.new_context(viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector(".stage-picture[data-index]")
        page.keyboard.press("Home")
        page.wait_for_function("() => +document.querySelector('.stage-picture').dataset.index < 25")
        page.wait_for_function("() => +document.querySelector('.stage-picture').dataset.index > 150")
        page.screenshot(**picture(name))


def with_file(browser: Browser, address: str, file: Path, scheme: str) -> Page:
    """The tab for files with what came of one."""
    page = browser.new_context(viewport=SIZE, color_scheme=scheme).new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{address}#files")
    page.wait_for_selector("#file-model option", state="attached")
    page.set_input_files("#files input[type=file]", file)
    page.wait_for_selector(".result")
    return page


if __name__ == "__main__":
    main()
