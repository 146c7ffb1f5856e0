"""Models of many kinds of network, with weights that nobody trained."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from fer_live.export.onnx_export import export_model
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.recipes.registry import ModelSpec, build_model, fer2013_contract

NETWORKS = {
    "residual": ModelSpec("residual", {"widths": [16, 32, 64], "blocks": 1, "dropout": 0.0}),
    "connected head": ModelSpec("conv", {"widths": [8, 12, 16], "pools": [1, 2, 3], "hidden": [24, 16]}),
    "mean pool": ModelSpec(
        "conv", {"widths": [8, 12], "pools": [1, 2], "pool": "average", "norm": "before", "mean_pool": True}
    ),
    "edges": ModelSpec("conv", {"widths": [8, 12], "pools": [1], "hidden": [16], "edges": True, "attention": "se"}),
    "torchvision": ModelSpec("transfer", {"backbone": "efficientnet_b0", "hidden": [16]}),
    "no maps": ModelSpec("conv", {"widths": [], "hidden": [32]}),
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Path of the model of a network of :data:`NETWORKS`; its checkpoint lies beside it."""
    folder = tmp_path_factory.mktemp("networks")

    def export(name: str) -> Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            contract = fer2013_contract()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                network = build_model(NETWORKS[name], contract)
                for module in network.modules():
                    if isinstance(module, nn.BatchNorm2d):
                        nn.init.normal_(module.bias, 0, 0.2)
                        nn.init.uniform_(module.weight, 0.5, 1.5)
            checkpoint = Checkpoint(contract, NETWORKS[name], network.state_dict(), {})
            save_checkpoint(path.with_suffix(".pt"), checkpoint)
            path.write_bytes(export_model(checkpoint).SerializeToString())
        return path

    return export
