import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# Nothing here is timed: the machine may be busy. The same cases each time, so that a run says something of the change
# at hand; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("fer-live", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fer-live"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on more threads, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def no_settings_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The commands here are not to read the settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        yield


@pytest.fixture(scope="session")
def shared_media() -> Callable[[str], Path]:
    """Path of a clip with real faces by its name; skips the test where the clips are not there."""
    root = Path(os.environ.get("FER_LIVE_SHARED", Path(__file__).parents[2] / "shared"))

    def find(name: str) -> Path:
        path = root / "media" / name
        if not path.exists():
            pytest.skip(f"no test clip {name}; set FER_LIVE_SHARED to the folder that holds media/")
        return path

    return find


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of an untrained small network."""
    from fer_live.training.checkpoint import save_checkpoint
    from fer_live.training.testing import untrained_checkpoint

    path = tmp_path_factory.mktemp("tiny") / "tiny.pt"
    save_checkpoint(path, untrained_checkpoint())
    return path


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: Path) -> Path:
    """An exported model of an untrained small network."""
    from fer_live.export.onnx_export import export_model, write_models
    from fer_live.training.checkpoint import load_checkpoint

    path = tiny_checkpoint.with_suffix(".onnx")
    write_models({path: export_model(load_checkpoint(tiny_checkpoint)).SerializeToString()})
    return path


@pytest.fixture(scope="session")
def fer2013_arrays() -> Iterator[tuple[np.ndarray, ...]]:
    """FER2013's images, emotion, usage and FER+ votes, where they are kept beside the checkout."""
    root = Path(__file__).resolve().parents[1]
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
