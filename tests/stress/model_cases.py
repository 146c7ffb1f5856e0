"""Mutated checkpoints, models and contracts through whatever reads them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from cases import run_cases
from mutations import mutated_bytes, mutated_json
from onnx import numpy_helper

from fer_live.contract import METADATA_KEY, Contract
from fer_live.errors import FerLiveError
from fer_live.model_metadata import PROBE_KEY, PROVENANCE_KEY, ModelMetadata
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.training.checkpoint import load_checkpoint, load_tensors, save_tensors

MEMORY_MIB = 700
_KEYS = (METADATA_KEY, PROBE_KEY, PROVENANCE_KEY)
_NUMBERS = (0, -1, 1, 2, 3, 5, 7, 48, 1000, 65_536, 2**31 - 1, 2**31, 2**62, -(2**63))


def case(folder: Path, seed: int, rng: np.random.Generator) -> str:
    try:
        return _KINDS[seed % len(_KINDS)](folder, seed, rng)
    except FerLiveError:
        for suffix in (".onnx", ".pt", ".json"):
            (folder / f"{seed}{suffix}").unlink(missing_ok=True)
        raise


def _model_bytes(folder: Path, seed: int, rng: np.random.Generator) -> str:
    data, what = mutated_bytes((folder / "tiny.onnx").read_bytes(), rng)
    return _run_model(folder / f"{seed}.onnx", data, what)


def _run_model(path: Path, data: bytes, what: str) -> str:
    path.write_bytes(data)
    classifier = OnnxClassifier(path, Device.CPU)
    size = classifier.contract.size
    for count in (0, 1, 65):
        found = classifier.classify(np.zeros((count, 1, size, size), np.uint8))
        assert found.probabilities.shape == (count, len(classifier.contract.labels))
    path.unlink()
    return f"model with {what} runs"


def _model_nodes(folder: Path, seed: int, rng: np.random.Generator) -> str:
    """The same format, another graph: other numbers, shapes, operators, links and files."""
    model = onnx.load(folder / "tiny.onnx")
    graph = model.graph
    what = str(rng.choice(["dims", "data", "attribute", "operator", "link", "removed", "input", "external", "opset"]))
    warnings.simplefilter("ignore")
    if what in ("dims", "data", "external"):
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        if what == "dims":
            tensor.dims[:] = [int(rng.choice(_NUMBERS)) for _ in range(rng.integers(5))]
        elif what == "external":
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=str(rng.choice(["/etc/passwd", "../x", "tiny.onnx", ""])))
        else:
            values = numpy_helper.to_array(tensor)
            told = rng.choice(np.array([np.nan, np.inf, 0, -1, 1e30]), values.shape)
            tensor.CopyFrom(numpy_helper.from_array(told.astype(values.dtype), tensor.name))
    elif what == "input":
        for dim in graph.input[0].type.tensor_type.shape.dim:
            if rng.integers(2):
                dim.dim_value = int(rng.choice(_NUMBERS))
    elif what == "opset":
        model.opset_import[0].version = int(rng.choice(_NUMBERS))
    else:
        node = graph.node[int(rng.integers(len(graph.node)))]
        if what == "removed":
            graph.node.remove(node)
        elif what == "operator":
            node.op_type = str(rng.choice(["Relu", "Conv", "Gemm", "Expand", "Tile", "Resize", "Loop", "If", "None"]))
        elif what == "link" and node.input:
            names = [name for other in graph.node for name in (*other.input, *other.output)]
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))
        else:
            for attribute in node.attribute:
                attribute.i = int(rng.choice(_NUMBERS))
                attribute.ints[:] = [int(rng.choice(_NUMBERS)) for _ in attribute.ints]
    return _run_model(folder / f"{seed}.onnx", model.SerializeToString(), what)


def _model_metadata(folder: Path, seed: int, rng: np.random.Generator) -> str:
    model = onnx.load(folder / "tiny.onnx")
    key = _KEYS[int(rng.integers(len(_KEYS)))]
    entry = next(entry for entry in model.metadata_props if entry.key == key)
    text, what = mutated_json(entry.value, rng)
    entry.value = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props})
    return _run_model(folder / f"{seed}.onnx", model.SerializeToString(), f"{entry.key}: {what}")


def _checkpoint_bytes(folder: Path, seed: int, rng: np.random.Generator) -> str:
    data, what = mutated_bytes((folder / "tiny.pt").read_bytes(), rng)
    path = folder / f"{seed}.pt"
    path.write_bytes(data)
    return _run_checkpoint(path, what)


def _run_checkpoint(path: Path, what: str) -> str:
    checkpoint = load_checkpoint(path)
    with torch.inference_mode():
        checkpoint.network()(torch.zeros(1, 1, checkpoint.contract.size, checkpoint.contract.size))
    path.unlink()
    return f"checkpoint with {what} runs"


def _checkpoint_entries(folder: Path, seed: int, rng: np.random.Generator) -> str:
    """A whole file with other values in it."""
    entries = load_tensors(folder / "tiny.pt")
    what = str(rng.choice(["contract", "model", "model", "provenance", "state", "state", "value"]))
    if what in ("contract", "model", "provenance"):
        entries[what], how = mutated_json(entries[what], rng)
        what = f"{what}: {how}"
    elif what == "state":
        warnings.simplefilter("ignore")  # quantised tensors are on their way out of torch
        state = dict(entries["state"])
        name = str(rng.choice(list(state)))
        tensors = [
            torch.zeros(()),
            torch.zeros(1).expand(2**16, 2**16, 2**8),  # 4 TiB that are four bytes in the file
            torch.full_like(state[name], 3),
            state[name].to(torch.complex64),
            state[name].to(torch.float16),
            state[name].to(torch.int8),
            state[name].to_sparse(),
            torch.zeros(state[name].shape, dtype=torch.bool),
            torch.quantize_per_tensor(torch.zeros(state[name].shape), 0.1, 0, torch.qint8),
            torch.nn.Parameter(torch.zeros(3)),
        ]
        state[name] = tensors[int(rng.integers(len(tensors)))]
        if rng.integers(8) == 0:
            state[7] = state.pop(name)
        entries["state"] = state
    else:
        what = str(rng.choice(list(entries)))
        values = [None, 7, "", "x" * 10**6, [1], {"a": 1}, torch.zeros(3), {"a": torch.zeros(3)}, b"bytes", ("a",), {1}]
        entries[what] = values[int(rng.integers(len(values)))]
    path = folder / f"{seed}.pt"
    save_tensors(path, entries)
    return _run_checkpoint(path, what)


def _contract(folder: Path, seed: int, rng: np.random.Generator) -> str:
    text, what = mutated_json((folder / "contract.json").read_text(), rng)
    (folder / f"{seed}.json").write_text(text, errors="surrogatepass")
    contract = Contract.from_json(text)
    assert Contract.from_json(contract.to_json()) == contract
    json.dumps([head.labels for head in contract.heads]).encode()
    (folder / f"{seed}.json").unlink()
    return f"contract with {what} is taken"


_KINDS = (_model_bytes, _model_nodes, _model_metadata, _checkpoint_bytes, _checkpoint_entries, _contract)

if __name__ == "__main__":
    run_cases(case, MEMORY_MIB)
