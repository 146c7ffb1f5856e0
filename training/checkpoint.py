"""Checkpoints (``.pt``): the weights with the contract, the network's description and where they come from.

A checkpoint holds tensors, numbers and strings only, and is read with ``weights_only=True``: nothing in it is
ever unpickled into code.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer_live.contract import Contract
from fer_live.errors import ContractError, ModelError, first_line
from fer_live.files import replacing, system_errors_as

from .recipes.recipe import ModelSpec, build_model

__all__ = ["Checkpoint", "load_checkpoint", "load_tensors", "save_checkpoint", "save_tensors"]

FORMAT = "fer-live checkpoint 1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network.

    ``provenance``: what is known of its making (recipe, configuration, seed, epoch, git commit, figures), JSON values.
    """

    contract: Contract
    model: ModelSpec
    state: Mapping[str, Tensor]
    provenance: Mapping[str, Any]

    def network(self) -> nn.Module:
        """The network in evaluation mode, float32, on the CPU.

        Raises:
            ModelError: the weights don't fit the network that the checkpoint names, or are not finite.
        """
        # Without memory first: a description can name a network, or a tensor a size, that fills any machine.
        with torch.device("meta"):
            outline = build_model(self.model, self.contract).state_dict()
        expected = {name: tensor.shape for name, tensor in outline.items()}
        found = {name: tensor.shape for name, tensor in self.state.items()}
        if found != expected:
            odd = sorted(str(name) for name in found.keys() ^ expected.keys()) or [
                name for name in expected if found[name] != expected[name]
            ]
            raise ModelError(f"weights don't fit the network {self.model.name!r}: {', '.join(odd[:3])}")
        try:
            broken = [name for name, tensor in self.state.items() if not torch.isfinite(tensor).all()]
            if broken:
                raise ModelError(f"weights are not finite (NaN or infinite): {', '.join(broken[:3])}; train it again")
            network = build_model(self.model, self.contract)
            network.load_state_dict(dict(self.state))
        except RuntimeError as error:  # of sparse or quantised tensors
            raise ModelError(f"weights don't fit the network {self.model.name!r}: {first_line(error)}") from error
        return network.eval()

    def weights_sha256(self) -> str:
        """SHA-256 of the weights, in hexadecimal: of the tensors' names, shapes, types and bytes, sorted by name."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state.items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the target is replaced only when the new file is complete.

    Raises:
        SinkError: it can't be written; what was there before is kept.
    """
    save_tensors(
        path,
        {
            "format": FORMAT,
            "contract": checkpoint.contract.to_json(),
            "model": checkpoint.model.to_json(),
            "provenance": json.dumps(dict(checkpoint.provenance), sort_keys=True),
            "state": {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()},
        },
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ModelError: no such file, not a checkpoint, or one with something else than tensors and plain values in it.
        ContractError: its contract is missing or of an unknown version.
    """
    raw = load_tensors(path)
    if raw.get("format") != FORMAT:
        raise ModelError(f"{path}: not a fer-live checkpoint; expected the model.pt that fer-train writes")
    try:
        state, provenance = raw["state"], json.loads(raw["provenance"])
        contract, model = Contract.from_json(raw["contract"]), ModelSpec.from_json(raw["model"])
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: checkpoint is broken: {type(error).__name__}: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelError(f"{path}: checkpoint is broken: its weights are not tensors by name")
    if not isinstance(provenance, dict):
        raise ModelError(f"{path}: checkpoint is broken: its provenance is not a JSON object")
    return Checkpoint(contract, model, state, provenance)


def save_tensors(path: Path, value: Mapping[str, Any]) -> None:
    """``torch.save``; the target is replaced only when the new file is complete.

    Raises:
        SinkError: it can't be written; what was there before is kept.
    """
    with replacing(path) as partial, open(partial, "wb") as file:
        torch.save(dict(value), file)


def load_tensors(path: Path) -> dict[str, Any]:
    """``torch.load(weights_only=True)`` of a mapping; ModelError for anything else."""
    with system_errors_as(ModelError, path):
        if not path.is_file():
            raise ModelError(f"{path}: {'a folder, not a checkpoint' if path.is_dir() else 'no such file'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's doubts about what is then refused
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on bytes that are no checkpoint torch's reader raises whatever they lead it to
        # Its message is not passed on: it may advise to read the file as code.
        raise ModelError(
            f"{path}: not a checkpoint: damaged, or it holds something other than tensors and plain values; expected "
            "the model.pt that fer-train writes"
        ) from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path}: not a checkpoint: it holds a {type(raw).__name__}")
    return raw
