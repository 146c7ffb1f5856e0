import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fer_live.training.data import Fer2013
from fer_live.training.testing import synthetic_fer2013


@pytest.fixture(scope="session")
def synthetic() -> Fer2013:
    return synthetic_fer2013(560)


@pytest.fixture(scope="session")
def fer2013_arrays() -> Iterator[tuple[np.ndarray, ...]]:
    """FER2013's images, emotion, usage and FER+ votes, where they are kept beside the checkout."""
    root = Path(__file__).resolve().parents[2]
    shared = Path(os.environ.get("FER_LIVE_SHARED", root.parent / "shared"))
    if not (shared / "tools" / "fer2013.py").is_file() or not (shared / "data").is_dir():
        pytest.skip("FER2013 is not here; FER_LIVE_SHARED names its folder")
    pytest.importorskip("PIL")
    sys.path.insert(0, str(shared / "tools"))
    try:
        import fer2013

        yield fer2013.load()
    finally:
        sys.path.remove(str(shared / "tools"))
        sys.modules.pop("fer2013", None)
