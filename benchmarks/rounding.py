"""What the GPU's coarser numbers alone would do to the answers of the float32 model, emulated on the CPU.

    python benchmarks/rounding.py --data fer2013.npz [--faces 512]

TF32: inputs and weights of every convolution and matrix product are rounded to 10 bits of mantissa. Half precision:
every weight and every result is rounded to float16. Sums stay in float32, as on the GPU. Differences are of
probabilities, against float32: on the model's probe, where the start accepts only so much, and on PublicTest faces
(seed 0).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from fer_live.bundled import MODEL, asset_path
from fer_live.export.half import HALF_PROBE_TOLERANCE
from fer_live.machine import measured_on
from fer_live.model_metadata import INPUT_NAME, ModelMetadata
from fer_live.training.data.fer2013 import Usage, load_fer2013
from fer_live.training.evaluation.logits import crops_of

SPLIT = np.float32(2**13 + 1)  # Veltkamp 1968: leaves 11 of float32's 24 bits
PRODUCTS = ("Conv", "Gemm", "MatMul")


def tf32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the inputs of its products rounded; weights too, which are inputs."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    constant = numpy_helper.from_array(SPLIT, "split")
    nodes = []
    for node in rounded.graph.node:
        for place, name in enumerate(node.input[:2] if node.op_type in PRODUCTS else ()):
            far, low, high = (f"{node.name}_{place}_{part}" for part in ("far", "low", "high"))
            nodes += [
                helper.make_node("Mul", [name, "split"], [far]),
                helper.make_node("Sub", [far, name], [low]),
                helper.make_node("Sub", [far, low], [high]),
            ]
            node.input[place] = high
        nodes.append(node)
    return _with(rounded, nodes, [*rounded.graph.initializer, constant])


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every weight and every float32 result rounded."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(rounded)
    floats = {
        value.name for value in inferred.graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    nodes = []
    for node in rounded.graph.node:
        nodes.append(node)
        for place, name in enumerate(node.output):
            if name in floats:
                node.output[place] = f"{name}_exact"
                nodes += [
                    helper.make_node("Cast", [f"{name}_exact"], [f"{name}_half"], to=TensorProto.FLOAT16),
                    helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT),
                ]
    weights = [
        numpy_helper.from_array(values.astype(np.float16).astype(np.float32), tensor.name)
        if (values := numpy_helper.to_array(tensor)).dtype == np.float32
        else tensor
        for tensor in rounded.graph.initializer
    ]
    return _with(rounded, nodes, weights)


def _with(model: onnx.ModelProto, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]) -> onnx.ModelProto:
    nodes, weights = ([type(each).FromString(each.SerializeToString()) for each in kind] for kind in (nodes, weights))
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
    return model


def answers(model: onnx.ModelProto, faces: np.ndarray) -> np.ndarray:
    """Probabilities (N, 7)."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # a cast there and back stays
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    parts = [session.run(["probabilities"], {INPUT_NAME: faces[at : at + 64]})[0] for at in range(0, len(faces), 64)]
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FER2013")
    parser.add_argument("--faces", type=int, default=512)
    wanted = parser.parse_args()
    model = onnx.load(asset_path(MODEL))
    metadata = ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props})
    dataset = load_fer2013(wanted.data)
    rows = np.random.default_rng(0).permutation(dataset.rows(Usage.PublicTest))[: wanted.faces]
    faces, probe = crops_of(dataset.images[rows], metadata.contract), metadata.probe.faces
    print(f"{measured_on(('onnxruntime-gpu',))}; {MODEL}, {len(rows)} PublicTest faces\n")
    print(
        "| | probe, largest difference | accepted at start | faces, mean of the largest | largest |\n|---"
        + "|---:" * 4
        + "|"
    )
    exact = answers(model, probe), answers(model, faces)
    for name, accepted, changed in (
        ("TF32", metadata.probe.tolerance, tf32(model)),
        ("half precision", HALF_PROBE_TOLERANCE, half(model)),
    ):
        on_probe, on_faces = (
            np.abs(answers(changed, x) - y).max(axis=1) for x, y in zip((probe, faces), exact, strict=True)
        )
        cells = (on_probe.max(), accepted, on_faces.mean(), on_faces.max())
        print(f"| {name} | {' | '.join(f'{cell:.4f}'.rstrip('0') for cell in cells)} |")


if __name__ == "__main__":
    main()
