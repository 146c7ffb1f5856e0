import os
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_thread_survives() -> Iterator[None]:
    """A stage that outlives its run fails the test."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("fer-live")]
    assert not left


@pytest.fixture
def display() -> Iterator[str]:
    """A screen that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as said:
        yield f":{said.readline().strip()}"
    screen.terminate()
    screen.wait(20)
