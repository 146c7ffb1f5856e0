"""What a GPU is worth: the classifier on CUDA against the CPU, by batch size, precision and way of running; then files.

    python benchmarks/cuda.py [CLIP ...] [--batches 1 2 4 … 256] [--rounds 100] [--frames 600]

Prints Markdown for docs/performance.md. Ends with one line and code 1 where CUDA cannot be used. The ways are
interleaved run by run, medians are printed; read the ratios. Half precision is made of the bundled model on the spot,
which needs fer-live[train]. CLIPs are annotated by the program itself, on each device in turn, start-up included.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from throughput import cost

from fer_live.bundled import MODEL, asset_path
from fer_live.errors import DeviceError, FerLiveError
from fer_live.machine import measured_on
from fer_live.model_metadata import INPUT_NAME
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.realtime.inference.cuda_driver import CUDA_PROVIDER, why_no_cuda
from fer_live.realtime.inference.cuda_model import BUCKETS, CudaModel, open_cuda_session
from fer_live.realtime.inference.device_choice import likely_batch, open_classifier
from fer_live.realtime.testing.clips import repeat_clip

LONGEST_S = 10.0
"""No batch size is measured for longer, whatever --rounds says."""

Run = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128, 256])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--frames", type=int, default=600)
    wanted = parser.parse_args()
    no_cuda = why_no_cuda()
    try:
        if no_cuda is not None:
            raise DeviceError(no_cuda.reason)
        print_machine()
        half = half_model()
        print_start(half)
        print_batches(half, sorted(wanted.batches), wanted.rounds)
        print_sizes_in_turn(wanted.rounds)
        print_choice()
        if wanted.clips:
            print_clips(wanted.clips, wanted.frames)
    except FerLiveError as error:
        sys.exit(f"benchmarks/cuda.py: nothing to measure: {error}")


def print_machine() -> None:
    packages = ("onnxruntime-gpu", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "numpy", "av")
    cuda = getattr(onnxruntime, "cuda_version", "unknown")
    print(f"{gpu()}; {measured_on(packages)}; onnxruntime built for CUDA {cuda}\n", flush=True)


def gpu() -> str:
    """Name, memory and driver of the first GPU, as ``nvidia-smi`` tells them."""
    if shutil.which("nvidia-smi") is None:
        return "GPU unknown (no nvidia-smi)"
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    name, memory, driver = (
        subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()[0].split(", ")
    )
    return f"{name}, {memory}, driver {driver}"


def half_model() -> bytes | None:
    try:
        import onnx

        from fer_live.export.half import to_half
    except ImportError as error:
        print(f"(no half precision: {error.name} is missing, which fer-live[train] brings)\n")
        return None
    data: bytes = to_half(onnx.load(asset_path(MODEL)), {}).SerializeToString()
    return data


def models(half: bytes | None) -> dict[str, bytes]:
    found = {"fp32": asset_path(MODEL).read_bytes()}
    return found if half is None else {**found, "fp16": half}


def print_start(half: bytes | None) -> None:
    """The first row bears CUDA's own start."""
    contract = OnnxClassifier(asset_path(MODEL)).contract
    print("Seconds to open each batch size and run it once, n = 1\n")
    print(f"| | {' | '.join(map(str, BUCKETS))} | all |\n|---|{'---:|' * (len(BUCKETS) + 1)}")
    for name, data in models(half).items():
        for graph in (False, True):
            model = CudaModel(data, contract, cuda_graph=graph)
            times = []
            try:
                for bucket in BUCKETS:
                    started = time.perf_counter()
                    model.open([bucket])
                    times.append(time.perf_counter() - started)
            except DeviceError as error:
                if not graph:
                    raise
                print(f"| {name}, CUDA graph: {error} |", flush=True)
                continue
            cells = [f"{taken:.2f}" for taken in (*times, sum(times))]
            print(f"| {name}{', CUDA graph' if graph else ''} | {' | '.join(cells)} |", flush=True)


def ways(half: bytes | None, batches: list[int]) -> dict[str, Run]:
    """Each way to run the bundled model; the first one is what ``--device cpu`` does, "fp32" what cuda does."""
    found: dict[str, Run] = {}
    for name, path in (("CPU int8", bundled_model(Device.CPU)), ("CPU fp32", asset_path(MODEL))):
        classifier = OnnxClassifier(path, Device.CPU)
        found[name] = lambda crops, classifier=classifier: classifier.classify(crops).probabilities
    contract = classifier.contract
    for name, data in models(half).items():
        plain = {batch: open_cuda_session(data, batch, threads=1, cuda_graph=False) for batch in batches}
        found[f"{name}, not bound"] = partial(run_plain, plain)
        for graph in (False, True):
            model = CudaModel(data, contract, buckets=batches, cuda_graph=graph)
            try:
                model.open(batches)
            except DeviceError as error:
                if not graph:
                    raise
                print(f"\n({name}, CUDA graph: {error})")
                continue
            found[f"{name}, CUDA graph" if graph else name] = model.run
    return found


def run_plain(sessions: dict[int, Any], crops: np.ndarray) -> np.ndarray:
    return np.asarray(sessions[len(crops)].run(["probabilities"], {INPUT_NAME: crops})[0])


def print_batches(half: bytes | None, batches: list[int], rounds: int) -> None:
    every = ways(half, batches)
    cpu, cuda = "CPU int8", "fp32"
    worst = dict.fromkeys(every, 0.0)
    crossover = None
    print("\nMedian milliseconds a batch\n")
    print(f"| faces | {' | '.join(every)} | {cpu} / {cuda} | n |\n|---:|{'---:|' * (len(every) + 2)}")
    for batch in batches:
        crops = np.random.default_rng(batch).integers(0, 256, (batch, 1, 48, 48), np.uint8)
        expected = every["CPU fp32"](crops)
        for name, run in every.items():
            worst[name] = max(worst[name], float(np.abs(run(crops) - expected).max()))
        times = interleaved({name: partial(run, crops) for name, run in every.items()}, rounds)
        ms = {name: median(column) for name, column in times.items()}
        if crossover is None and ms[cuda] < ms[cpu]:
            crossover = batch
        cells = [str(batch), *(f"{value:.3f}" for value in ms.values()), f"{ms[cpu] / ms[cuda]:.2f}"]
        print(f"| {' | '.join(cells)} | {len(times[cpu])} |", flush=True)
    won = f"from {crossover} faces a batch on" if crossover is not None else "with none of these batches"
    print(f"\n{cuda} on the GPU is faster than {cpu} on one core {won}.")
    print("Largest difference of a probability to CPU fp32, noise for faces: ", end="")
    print(", ".join(f"{name} {value:.1e}" for name, value in worst.items() if name != "CPU fp32"), end=".\n")


def interleaved(every: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each run, each way in turn, three rounds of warming up before."""
    times: dict[str, list[float]] = {name: [] for name in every}
    end = time.perf_counter() + LONGEST_S
    for index in range(rounds + 3):
        for name, run in every.items():
            started = time.perf_counter()
            run()
            if index >= 3:
                times[name].append(1e3 * (time.perf_counter() - started))
        if index >= 3 and time.perf_counter() > end:
            break
    return times


def print_sizes_in_turn(rounds: int) -> None:
    """Why each batch size has a session of its own."""
    data, contract = asset_path(MODEL).read_bytes(), OnnxClassifier(asset_path(MODEL)).contract
    options = {"cudnn_conv_algo_search": "HEURISTIC"}
    single = onnxruntime.InferenceSession(
        data, providers=[(CUDA_PROVIDER, options), "CPUExecutionProvider"], enable_fallback=0
    )
    bucketed = CudaModel(data, contract)
    bucketed.warm_up(BUCKETS[-1])
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (int(n), 1, 48, 48), np.uint8) for n in rng.integers(1, BUCKETS[-1] + 1, 16)]

    def all_by_one() -> None:
        for crops in batches:
            single.run(["probabilities"], {INPUT_NAME: crops})

    def all_by_bucket() -> None:
        for crops in batches:
            bucketed.run(crops)

    times = interleaved({"one session": all_by_one, "buckets": all_by_bucket}, max(1, rounds // 10))
    one, many = (median(times[name]) / len(batches) for name in times)
    print(f"\n{len(batches)} sizes from 1 to {BUCKETS[-1]} in turn, fp32, n = {len(times['buckets'])} rounds: ", end="")
    print(f"one session for all {one:.2f} ms a batch, a session a bucket {many:.2f} ms ({one / many:.1f} times).")


def print_choice() -> None:
    print("\nWhat `--device auto` says:\n")
    for kind, is_live in (("live", True), ("a file", False)):
        choice = open_classifier(None, "auto", batch=likely_batch(is_live))
        print(f"- {kind}: {choice.reason or choice.warning}", flush=True)


def print_clips(clips: list[Path], frames: int) -> None:
    program = str(Path(sys.executable).with_name("fer-live"))
    devices = ("cpu", "cuda", "auto")
    print("\nFrames a second of `fer-live --video CLIP --out …`, start-up included, n = 3, medians\n")
    print(f"| clip | frames | {' | '.join(devices)} | cuda / cpu |\n|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            looped = Path(folder) / f"looped{clip.suffix}"
            count = repeat_clip(clip, looped, frames)
            live = [program, "--video", str(looped), "--out", str(Path(folder) / "out.mp4"), "--no-window", "--device"]
            times = [[cost([*live, device])[0] for device in devices] for _ in range(3)]
            fps = [count / median(column) for column in zip(*times, strict=True)]
            cells = [clip.name, f"{count:,}", *(f"{value:.0f}" for value in fps), f"{fps[1] / fps[0]:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
