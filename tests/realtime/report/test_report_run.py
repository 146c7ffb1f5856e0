"""``--report`` as a user gives it, and the page in a real browser."""

import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(sys.executable).with_name("fer-live")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False)


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the sample, its rows beside it."""
    path = tmp_path_factory.mktemp("report") / "out.html"
    clip = ROOT / "samples" / "astronaut.mp4"
    done = run("--video", clip, "--device", "cpu", "--report", path, "--thumbnails", "--save", path.with_suffix(".csv"))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "out.html" in done.stdout
    return path


def test_totals_and_spans_equal_the_rows(astronaut: Path) -> None:
    with astronaut.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = Counter(row["uncertain_why"] or row["shown_label"] for row in rows)
    text = astronaut.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text).group(1))
    shown = {}
    for state, path in re.findall(r'<path data-state="(\d+)"[^>]* d="([^"]*)"', text):
        name = data["states"][int(state)].removeprefix("uncertain: ")
        shown[name] = sum(map(int, re.findall(r"h(\d+)", path))) / 40  # milliseconds a frame at 25 fps
    assert shown == pytest.approx(said)
    assert json.loads(astronaut.with_name("out.html.manifest.json").read_text())["exit_state"] == "complete"
    assert str(ROOT) not in text and "data:image/jpeg;base64," in text


def test_thumbnails_are_anonymised(tmp_path: Path) -> None:
    clip, path = ROOT / "samples" / "astronaut.mp4", tmp_path / "out.html"
    done = run("--video", clip, "--device", "cpu", "--report", path, "--thumbnails", "--anonymise", "box")
    assert done.returncode == 0, done.stderr
    (coded,) = re.findall(r"data:image/jpeg;base64,([^\"]+)", path.read_text(encoding="utf-8"))
    image = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_COLOR)
    middle = image[20:90, 20:90].astype(int)
    assert np.ptp(middle.reshape(-1, 3), axis=0).max() <= 12, "a grey box is all that is left of a head"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--report", "out.pdf"], "--report out.pdf: give a name that ends in .html or .htm"),
        (["--thumbnails"], "--thumbnails goes with --report FILE"),
        (["--report", "o.html", "--out", "./o.html"], "is named by --report and --out"),
        (["--report", "o.html", "--save", "o.csv", "--aggregate-only"], "--report tells of single faces"),
    ],
)
def test_refused(arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("--video", ROOT / "samples" / "astronaut.mp4", *arguments)
    assert done.returncode == 2 and words in done.stderr and not list(tmp_path.iterdir()), done.stderr


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium here")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield program
        program.close()


@pytest.fixture(params=["light", "dark", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, astronaut: Path) -> Iterator[Any]:
    """The report, opened without a network; what the browser complains of or asks for fails the test."""
    size = {"width": 390, "height": 844} if request.param == "phone" else {"width": 1280, "height": 900}
    scheme = "dark" if request.param == "dark" else "light"
    context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
    opened, told = context.new_page(), []
    opened.on("console", lambda message: told.append(message.text))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("request", lambda each: told.append(each.url) if not each.url.startswith(("file:", "data:")) else None)
    opened.goto(astronaut.as_uri())
    yield opened
    context.close()
    assert told == []


def test_clicked_through(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    plot, tip = page.locator("#face-1 .plot"), page.locator("#tip")
    plot.hover(position={"x": 60, "y": 20})
    assert tip.inner_text().startswith("Face 1 at 0:0") and tip.locator("i").count() == 7
    page.locator("#face-1 summary").click()
    curve = page.locator("#face-1 .chart path.curve").first
    whole = curve.get_attribute("d")
    assert whole.count("L") == 174  # 175 frames
    page.locator(".keys button", has_text="happy").click()
    assert page.locator("#face-1 .chart path.curve.on").count() == 1
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function("() => document.querySelector('.lane').getAttribute('viewBox').split(' ')[2] == 3500")
    assert len(curve.get_attribute("d")) < len(whole)
    page.locator("[data-do=all]").click()
    page.wait_for_function("() => document.querySelector('.lane').getAttribute('viewBox') == '0 0 7000 40'")
    page.locator(".go").first.click()
    assert plot.evaluate("box => box === document.activeElement")
    page.get_by_role("button", name="Strength").click()
    assert page.locator("#events-table [aria-sort=ascending]").inner_text().startswith("Strength")
    page.get_by_label("Expression").select_option("happy")
    assert page.locator("#filters output").inner_text() == "1 shown"


def test_by_keyboard(page: Any) -> None:
    plot = page.locator("#face-1 .plot")
    plot.focus()
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuenow") == "6999"
    assert plot.get_attribute("aria-valuetext").startswith("0:07.00: happy, from 0:00.00 to 0:07.00")
    page.keyboard.press("PageUp")
    assert plot.get_attribute("aria-valuenow") == "0"
    page.keyboard.press("+")
    page.wait_for_function("() => document.querySelector('.lane').getAttribute('viewBox').split(' ')[2] == 3500")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
