"""The tab "Live" in a real browser."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.options import SourceOptions
from fer_live.realtime.web import server, show
from fer_live.realtime.web.settings import Settings

Serve = Callable[..., AbstractContextManager[str]]
Watch = Callable[..., Any]


def showing(video: Path | None, **engine: object) -> Settings:
    source = None if video is None else SourceOptions(video=str(video))
    return Settings(RunOptions(source, EngineOptions(**engine)))  # type: ignore[arg-type]


def index_of(page: Page) -> int:
    """Of the frame that is shown; waits for the first one."""
    page.wait_for_selector(".stage-picture[data-index]")
    return int(page.locator(".stage-picture").get_attribute("data-index") or -1)


def wait_for_frame(page: Page, index: int) -> None:
    """Until a later one than this is shown."""
    page.wait_for_function("index => +document.querySelector('.stage-picture').dataset.index > index", arg=index)


def painted(page: Page, selector: str) -> int:
    """How many different colours a canvas has."""
    return page.evaluate(
        """selector => {
          const canvas = document.querySelector(selector);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }""",
        selector,
    )


def runs() -> int:
    return sum(thread.name == "fer-live page" for thread in threading.enumerate())


def test_a_file_is_seen_with_its_face_and_curves(
    serve: Serve, watched: Watch, browser: Browser, long_clip: Path
) -> None:
    with serve(showing(long_clip)) as home, watched(browser, home) as page:
        wait_for_frame(page, index_of(page))
        assert painted(page, ".stage-picture") > 1000
        expect(page.locator(".stage-notice")).to_have_text("Expression analysis on")
        card = page.locator(".live-card")
        expect(card).to_have_count(1)
        expect(card.locator(".live-names span")).to_have_text(
            ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
        )
        expect(card.locator("h3")).not_to_be_empty()
        wait_for_frame(page, 60)
        assert painted(page, ".live-curves") > 5
        expect(page.locator(".live-stages tbody tr")).not_to_have_count(0)
        assert page.title() == "fer-live"
        page.keyboard.press("Home")
        page.wait_for_function("() => +document.querySelector('.stage-picture').dataset.index < 60")


def test_pause_by_key_is_seen_by_two_pages_and_models_change(
    serve: Serve, watched: Watch, browser: Browser, long_clip: Path, other_model: Path
) -> None:
    phone = {"width": 390, "height": 844}
    with (
        serve(showing(long_clip, models=other_model.parent)) as home,
        watched(browser, home) as page,
        watched(browser, home, viewport=phone) as other,
    ):
        wait_for_frame(other, index_of(other))
        assert runs() == 1
        page.keyboard.press("Space")
        expect(other.locator(".stage-word")).to_have_text("Paused")
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        before = -1
        while (index := index_of(other)) != before:  # what was on its way still comes; then nothing more
            before = index
            page.wait_for_timeout(400)
        other.get_by_role("button", name="Go on").click()
        wait_for_frame(page, before)
        # The other page shows what this one chose.
        live = other.get_by_role("tabpanel", name="Live")
        page.get_by_role("tabpanel", name="Live").get_by_label("Model").select_option(label=other_model.name)
        expect(live.get_by_label("Model")).to_have_value(f"file:{other_model.name}")
        expect(other.locator(".live-figures > p.quiet-text")).to_contain_text(other_model.name)
        page.keyboard.press("r")
        expect(live.get_by_label("Expressions")).to_have_value("false")
        # Nothing sticks out sideways on a phone.
        assert other.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_browsers_own_camera(serve: Serve, watched: Watch, browser: Browser) -> None:
    with serve(showing(None)) as home, watched(browser, home) as page:
        expect(page.get_by_text("What shall be looked at?")).to_be_visible()
        page.get_by_role("button", name="This browser").click()
        wait_for_frame(page, index_of(page) + 5)
        expect(page.locator(".live-card")).to_have_count(1)
        page.get_by_role("tab", name="Photo or clip").click()
        deadline = time.monotonic() + 60
        while runs():
            assert time.monotonic() < deadline
            page.wait_for_timeout(20)


def test_keys_and_tabs_without_a_mouse(serve: Serve, watched: Watch, browser: Browser) -> None:
    with serve(showing(None)) as home, watched(browser, home) as page:
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        expect(dialog).to_contain_text("Pause, resume")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.keyboard.press("2")
        expect(page.get_by_role("tab", name="Photo or clip")).to_have_attribute("aria-selected", "true")
        page.get_by_role("tab", name="Photo or clip").focus()
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("tabpanel", name="Live")).to_be_visible()
        page.reload()
        expect(page.get_by_role("tabpanel", name="Live")).to_be_visible()


def test_a_page_that_vanishes_lets_the_source_go(
    serve: Serve, long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its computer went to sleep, its network is gone: nothing is closed, nothing answers any more."""
    monkeypatch.setattr(server, "PING_S", 0.3)
    monkeypatch.setattr(show, "LINGER_S", 0.1)
    begun, begin = threading.Event(), show.Show.begin
    monkeypatch.setattr(show.Show, "begin", lambda self: (begin(self), begun.set()))
    with serve(showing(long_clip)) as home:
        host = home.partition("://")[2]
        with socket.create_connection(tuple(host.split(":"))) as gone:
            gone.sendall(
                f"GET /live/watch HTTP/1.1\r\nHost: {host}\r\nOrigin: {home}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert gone.recv(12) == b"HTTP/1.1 101"
            assert begun.wait(60)
            deadline = time.monotonic() + 60
            while runs():
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_a_page_says_that_its_server_has_gone(serve: Serve, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        with serve(showing(None)) as home:
            page.goto(home)
            expect(page.get_by_text("What shall be looked at?")).to_be_visible()
        expect(page.locator(".stage-cover")).to_contain_text("The program does not answer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(serve: Serve, watched: Watch, browser: Browser, scheme: str, long_clip: Path) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 or more between text and what is behind it."""
    with serve(showing(long_clip)) as home, watched(browser, home, color_scheme=scheme) as page:
        wait_for_frame(page, index_of(page))
        expect(page.locator(".live-card")).to_have_count(1)
        assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((value) => linear(value / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] === 255) return colour;
      if (colour[3] > 0) return null; // over the picture
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.disabled || element.closest(".stage, .gone, .unseen")) continue;
    const behind = ground(element);
    if (!behind) continue;
    const [light, dark] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) poor.push(`${element.className} "${element.textContent.slice(0, 20)}" ${contrast.toFixed(2)}`);
  }
  return poor;
}"""
