import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_thread_survives() -> Iterator[None]:
    """A stage that outlives its run fails the test."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("fer-live")]
    assert not left
