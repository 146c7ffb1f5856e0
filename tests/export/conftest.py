from pathlib import Path

import pytest

from fer_live.export.onnx_export import export_model
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.testing import untrained_checkpoint


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
