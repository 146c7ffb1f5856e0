import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from fer_live.bundled import MODEL, asset_path
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.options import SourceOptions
from fer_live.realtime.web.server import listen, make_server
from fer_live.realtime.web.settings import Settings

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in a folder of its own, which runs on the CPU where the bundled int8 one runs otherwise."""
    return Path(shutil.copy(asset_path(MODEL), tmp_path_factory.mktemp("models") / "other.onnx"))


def showing(video: Path | None = None, **settings: object) -> Settings:
    """Settings of a page that was started with a file."""
    run = RunOptions(source=None if video is None else SourceOptions(video=str(video)))
    return Settings(run, **settings)


@contextmanager
def serving(settings: Settings, host: str = "127.0.0.1") -> Iterator[str]:
    """The page on a free port of this machine, from a thread; its address without a token."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        server = make_server(settings, host)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(60)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    return serving


CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=60_000)  # the machine may be busy
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium, whose camera shows the sample clip over and over."""
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}")
    clip = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    as_motion_jpeg(SAMPLES / "astronaut.mp4", clip)
    arguments = [*FAKE_CAMERA, f"--use-file-for-fake-video-capture={clip}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def as_motion_jpeg(source: Path, target: Path, frames: int = 50) -> None:
    """The first frames of a clip as Chromium's stand-in for a camera wants them."""
    with av.open(str(source)) as clip, av.open(str(target), "w", format="mjpeg") as written:
        video = clip.streams.video[0]
        stream = written.add_stream("mjpeg", 25)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuvj420p"
        stream.codec_context.time_base = video.time_base
        for frame in islice(clip.decode(video), frames):
            picture = frame.reformat(format="yuvj420p")
            picture.pict_type, picture.pts, picture.time_base = 0, frame.pts, frame.time_base
            written.mux(stream.encode(picture))
        written.mux(stream.encode(None))


@pytest.fixture(scope="session")
def watched() -> Callable[..., AbstractContextManager[Page]]:
    """Opens an address in a browser; the page complains of nothing and asks nobody else for anything."""

    @contextmanager
    def watch(browser: Browser, home: str, **options: object) -> Iterator[Page]:
        complaints, asked = [], []
        with browser.new_context(**options) as context:
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("console", lambda said: complaints.append(said.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.on("websocket", lambda socket: asked.append(socket.url))
            page.goto(home)
            yield page
        host = home.partition("://")[2]
        own = (f"http://{host}/", f"ws://{host}/", f"blob:http://{host}/", "data:")
        assert [url for url in asked if not url.startswith(own)] == []
        assert complaints == []

    return watch
