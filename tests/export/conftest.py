from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fer_live.export.onnx_export import export_model
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.testing import untrained_checkpoint


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on more threads, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    return untrained_checkpoint()


@pytest.fixture(scope="session")
def model(checkpoint: Checkpoint) -> bytes:
    data: bytes = export_model(checkpoint, provenance={"made": "for a test"}).SerializeToString()
    return data


@pytest.fixture
def checkpoint_file(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.pt", checkpoint)
    return tmp_path / "model.pt"
