"""The tab "Photo or clip" in a real browser."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page

from fer_live.realtime.web.settings import Settings

SAMPLES = Path(__file__).parents[3] / "samples"
PHOTO, CLIP = SAMPLES / "astronaut.jpg", SAMPLES / "astronaut.mp4"
PATIENCE_MS = 60_000

DURATION = """async (video) => {
    if (video.readyState < 2) await new Promise((done) => video.addEventListener("loadeddata", done));
    return video.duration;
}"""

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps what it is sent."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def address(serve: Serve, folder: Path) -> Iterator[str]:
    """Of one server for all tests, which leaves nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        with serve(Settings(max_upload_mb=30)) as address:
            yield f"{address}/#files"
    assert list(folder.iterdir()) == []


class Troubles(list[str]):
    """What a page asked for elsewhere, or what its policy or its script objected to."""

    def __init__(self, page: Page, address: str) -> None:
        own = address.partition("/#")[0]
        page.on("request", lambda request: self._add(not request.url.startswith((own, "blob:", "data:")), request.url))
        page.on("pageerror", lambda error: self._add(True, str(error)))
        page.on("console", lambda message: self._add("Policy" in message.text, message.text))

    def _add(self, is_one: bool, text: str) -> None:
        if is_one:
            self.append(text)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The tab, opened; whatever is open at the end is closed."""
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("filechooser", lambda _: None)  # early: Playwright does not wait until the browser knows of it
    troubles = Troubles(page, address)
    opened(page, address)
    yield page
    close(page)
    assert troubles == []
    context.close()


def opened(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#file-model option", state="attached")


def close(page: Page) -> None:
    button = page.locator("#close-file")
    if button.is_visible():
        with page.expect_response(lambda response: response.request.method == "DELETE"):
            button.click()
    page.locator("#drop").wait_for()


def send(page: Page, path: Path) -> None:
    page.set_input_files("#files input[type=file]", str(path))


def at_work(page: Page) -> None:
    """Wait until progress is told: with a clip of minutes only, of a short one it may never be shown."""
    page.wait_for_selector("#file-progress:has-text(' frames')")


def uploads(folder: Path) -> list[Path]:
    """What is kept now."""
    return [path for server in folder.iterdir() for path in server.iterdir() if path.is_dir()]


def saved(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_photo_by_keyboard(page: Page, folder: Path, tmp_path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("o")
    chooser.value.set_files(str(PHOTO))
    page.wait_for_selector(".found-face .verdict:has-text('happy')")
    image = page.locator(".photo-frame img")
    assert image.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [512, 512]
    assert page.locator(".spot.pointed").count() == 0
    page.focus(".found-face")
    assert page.locator(".spot.pointed").count() == 1
    assert page.locator(".found-face .bars li").count() == 7
    path = saved(page, "#save-annotated", tmp_path)
    assert path.name == "astronaut.annotated.jpg"
    with av.open(path) as picture:
        assert next(picture.decode(video=0)).width == 512
    assert len(uploads(folder)) == 1
    page.keyboard.press("z")
    assert page.locator(".screen.actual").count() == 1
    page.keyboard.press("x")
    page.wait_for_selector(".found-face", state="detached")


def test_chosen_options_are_used_and_it_can_be_run_again(page: Page) -> None:
    page.select_option("#file-detector", "haar")
    page.select_option("#file-model", "bundled-float32")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        send(page, PHOTO)
    assert sent.value.post_data_json["options"] == {
        "model": "bundled-float32",
        "detector": "haar",
        "verify_eyes": None,
        "smooth": True,
    }
    page.wait_for_selector(".found-face")
    page.select_option("#file-eyes", "yes")
    with page.expect_request(lambda request: request.method == "POST") as again:
        page.click("#run-again")
    assert again.value.post_data_json["options"]["verify_eyes"] is True
    page.wait_for_selector(".found-face")


def test_a_clip_with_a_player_curves_and_downloads(page: Page, tmp_path: Path) -> None:
    send(page, CLIP)
    player = page.locator(".result video")
    player.wait_for()
    assert player.evaluate(DURATION) == pytest.approx(7.0, abs=0.1)
    assert page.locator("canvas.lane").get_attribute("aria-label").startswith("face 1: happy from 0:00.0 to 0:07.0")
    drawn = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size > 8"
    assert page.locator("canvas.face-curves").evaluate(drawn)
    page.locator(".event").click()
    assert player.evaluate("video => video.currentTime") > 0
    assert "happy" in page.inner_text(".now .verdict")
    video = saved(page, "#save-annotated", tmp_path)
    assert video.name == "astronaut.annotated.mp4"
    with av.open(video) as opened_video:
        assert opened_video.streams.video[0].codec.name == "h264"
        assert sum(1 for _ in opened_video.decode(video=0)) == 175
    assert saved(page, ".chip:has-text('CSV')", tmp_path).read_text().startswith("time_s,frame,track")
    assert "astronaut.mp4" in saved(page, ".chip:has-text('HTML')", tmp_path).read_text()
    page.reload()
    page.wait_for_selector(".result video")


def test_a_wrong_file_a_damaged_one_and_one_too_large(page: Page, folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no picture")
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(CLIP.read_bytes()[:3000])
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(31_000_000)
    for path, told in (
        (text, "notes.jpg: is not a picture or video"),
        (damaged, "damaged.mp4: no frame could be decoded"),
        (large, "large.mp4: is too large, 31 MB; at most 30 MB"),
    ):
        send(page, path)
        page.wait_for_selector(f"#file-problem:has-text('{told}')")
        assert "\n" not in page.inner_text("#file-problem")
    send(page, PHOTO)
    page.wait_for_selector(".found-face")
    assert page.locator("#file-problem").is_hidden()
    assert len(uploads(folder)) == 1


def test_progress_and_cancelled_while_another_page_waits(
    page: Page, address: str, long_clip: Path, folder: Path
) -> None:
    send(page, long_clip)
    at_work(page)
    assert re.match(r"[\d,]+ of 10,5\d\d frames", page.inner_text("#file-progress"))
    other = page.context.browser.new_context().new_page()
    opened(other, address)
    send(other, PHOTO)
    other.wait_for_selector("#file-progress:has-text('waiting: 1 file before it')")
    assert page.inner_text(".file-name") == "long.mkv" and other.inner_text(".file-name") == "astronaut.jpg"
    close(page)
    other.wait_for_selector(".found-face")
    assert len(uploads(folder)) == 1
    close(other)
    other.context.close()
    assert uploads(folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_that_dies_is_one_line(page: Page, long_clip: Path) -> None:
    send(page, long_clip)
    at_work(page)
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in table.splitlines()]
    (pid,) = [int(pid) for pid, parent, args in rows if int(parent) == os.getpid() and "web.worker" in args]
    os.kill(pid, signal.SIGKILL)
    page.wait_for_selector("#file-problem:has-text('long.mkv: the process that read it was killed (SIGKILL)')")


def test_a_dropped_file_and_a_small_screen(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.keyboard.press("1")
    assert page.locator("#files").is_hidden()
    page.evaluate(
        """async () => {
            const data = new DataTransfer();
            const picture = await new Promise((done) => {
                const canvas = document.createElement("canvas");
                canvas.width = canvas.height = 64;
                canvas.toBlob(done, "image/png");
            });
            data.items.add(new File([picture], "empty.png", { type: "image/png" }));
            const target = document.getElementById("live");
            for (const name of ["dragenter", "dragover", "drop"]) {
                target.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
            }
        }"""
    )
    page.wait_for_selector(".result:has-text('No face was found.')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
