"""The bundled models alone: milliseconds a face by batch size, on one core of the CPU.

    python benchmarks/classifier.py [--seconds 1] [--rounds 5] [MODEL.onnx ...]

Medians over the rounds, in which models and batch sizes are interleaved, with the lowest and highest round.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.machine import measured_on
from fer_live.model_metadata import INPUT_NAME
from fer_live.training.evaluation.predictors import open_session

BATCHES = (1, 4, 8, 32)


def ms_a_face(session: onnxruntime.InferenceSession, faces: np.ndarray, seconds: float) -> float:
    """Of as many runs as fit into that time."""
    session.run(["probabilities"], {INPUT_NAME: faces})
    runs, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        session.run(["probabilities"], {INPUT_NAME: faces})
        runs += 1
    return 1e3 * passed / (runs * len(faces))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=[asset_path(MODEL), asset_path(MODEL_INT8)])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure (default 1)")
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    sessions = {path: open_session(path.read_bytes(), threads=1, name=path.name) for path in wanted.models}
    size = next(iter(sessions.values())).get_inputs()[0].shape[-1]
    faces = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 1, size, size), np.uint8)
    found: dict[tuple[Path, int], list[float]] = {}
    for _ in range(wanted.rounds):
        for path, session in sessions.items():
            for batch in BATCHES:
                found.setdefault((path, batch), []).append(ms_a_face(session, faces[:batch], wanted.seconds))
    print(f"{measured_on(('onnxruntime-gpu',))}; n = {wanted.rounds}\n")
    print("| model | file MB | " + " | ".join(f"batch {batch}" for batch in BATCHES) + " |\n|---|" + "---:|" * 5)
    for path in sessions:
        cells = [f"{median(ms):.2f} ({min(ms):.2f}-{max(ms):.2f})" for b in BATCHES for ms in (found[path, b],)]
        print(f"| `{path.name}` | {path.stat().st_size / 1e6:.2f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
