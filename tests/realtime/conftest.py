import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_live.realtime.testing.clips import repeat_clip
from fer_live.realtime.testing.display import virtual_display

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(autouse=True)
def no_thread_survives() -> Iterator[None]:
    """A stage that outlives its run fails the test."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name.startswith("fer-live")]
    for thread in left:
        if thread.name == "fer-live feed":  # waited for a second only, and ends when the network lets it go
            thread.join(60)
    assert [thread.name for thread in left if thread.is_alive() or thread.name != "fer-live feed"] == []


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven minutes with a face: no machine is done with it before a test wants to interrupt that."""
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    repeat_clip(SAMPLES / "astronaut.mp4", path, 10_500)
    return path


@pytest.fixture
def display() -> Iterator[str]:
    """A screen that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    with virtual_display(1000, 700) as found:
        yield found
