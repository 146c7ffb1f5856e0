"""How close fer-live comes to the machine's limit on a file: its frames a second as a share of a floor.

    python benchmarks/throughput.py CLIP [CLIP ...] [--frames 1200] [--rounds 5] [--analysis]

The floor decodes the same clip and encodes it again with the same encoder settings (x264 ultrafast, crf 23, frame
threads, YUV all the way) and does nothing else. With ``--analysis`` nothing is written: the floor only decodes. Both
run as programs of their own, interleaved, on a copy of the clip that is repeated up to ``--frames``, so that start-up
weighs little. Medians are printed, with the most memory that fer-live took and the processor time of both a frame; read
the ratio.

For the files that are written, it also prints how well pixels are kept that nothing was drawn on: their peak signal to
noise ratio (luma, dB) against the source, over every tenth frame.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from fer_live.machine import measured_on
from fer_live.realtime.testing.clips import repeat_clip

FLOOR = """
import sys, av
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w") as target:
    given = source.streams.video[0]
    given.thread_type = "FRAME"
    stream = target.add_stream("libx264", given.average_rate, {"preset": "ultrafast", "crf": "23"})
    stream.width, stream.height, stream.pix_fmt = given.width, given.height, "yuv420p"
    stream.codec_context.thread_type = "FRAME"
    stream.codec_context.max_b_frames = 0
    for frame in source.decode(given):
        frame.pict_type = av.video.frame.PictureType.NONE
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))
"""


DECODE = """
import sys, av
with av.open(sys.argv[1]) as source:
    source.streams.video[0].thread_type = "FRAME"
    for frame in source.decode(video=0):
        pass
"""

ANALYSE = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as fer-live does
import cv2
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.sources.video_file import FileSource
cv2.setNumThreads(1)
with FileSource(sys.argv[1], writable=False) as source, create_detector() as detector:
    Pipeline(source, detector, OnnxClassifier(bundled_model(Device.CPU), Device.CPU)).run()
"""


def cost(command: list[str]) -> tuple[float, float, float]:
    """Wall time and processor time in seconds, and the most memory in MiB, that a program took."""
    # An installed package has its bytecode; this must not be compiled anew each time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    assert program.stderr is not None
    said = program.stderr.read()
    _, status, usage = os.wait4(program.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)[:200]} failed: {said.strip()}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def kept_db(source: Path, written: Path) -> float:
    """Peak signal to noise ratio of the luma of pixels on which nothing was drawn, dB, over every tenth frame.

    Drawn on are pixels that changed by more than compression changes them, and the block around each.
    """
    error, count = 0.0, 0
    with av.open(str(source)) as one, av.open(str(written)) as other:
        for index, (a, b) in enumerate(zip(one.decode(video=0), other.decode(video=0), strict=False)):
            if index % 10:
                continue
            before, after = (frame.to_ndarray()[: frame.height].astype(np.float32) for frame in (a, b))
            drawn = (np.abs(cv2.blur(after - before, (5, 5))) > 12).astype(np.uint8)
            free = cv2.dilate(drawn, np.ones((33, 33), np.uint8)) == 0
            error += float(((after - before)[free] ** 2).sum())
            count += int(free.sum())
    return 10 * float(np.log10(255**2 / (error / count)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--analysis", action="store_true", help="write nothing; the floor only decodes")
    parser.add_argument("--options", default="", help="more options for fer-live, in one string")
    wanted = parser.parse_args()
    program = str(Path(sys.executable).with_name("fer-live"))
    print(measured_on(("onnxruntime-gpu", "av", "opencv-python")), f"options {wanted.options or 'none'}", sep="; ")
    what = "analysis" if wanted.analysis else "fer-live"
    print(f"\n| clip | frames | floor fps | {what} fps | {what} / floor | lowest, highest |", end="")
    print(" CPU ms a frame: floor | and all | MiB | kept dB | n |\n|---" + "|---:" * 10 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for clip in wanted.clips:
            looped, written = Path(folder) / f"looped{clip.suffix}", Path(folder) / "live.mp4"
            frames = repeat_clip(clip, looped, wanted.frames)
            if wanted.analysis:
                bare = [sys.executable, "-c", DECODE, str(looped)]
                whole = [sys.executable, "-c", ANALYSE, str(looped)]
            else:
                bare = [sys.executable, "-c", FLOOR, str(looped), str(Path(folder) / "floor.mp4")]
                whole = [program, "--video", str(looped), "--out", str(written), "--no-window", *wanted.options.split()]
            runs = [(cost(bare), cost(whole)) for _ in range(wanted.rounds)]
            ratios = sorted(floor[0] / live[0] for floor, live in runs)
            row = (
                clip.name,
                f"{frames:,}",
                f"{frames / median(floor[0] for floor, _ in runs):.0f}",
                f"{frames / median(live[0] for _, live in runs):.0f}",
                f"{median(ratios):.2f}",
                f"{ratios[0]:.2f}, {ratios[-1]:.2f}",
                f"{1e3 * median(floor[1] for floor, _ in runs) / frames:.1f}",
                f"{1e3 * median(live[1] for _, live in runs) / frames:.1f}",
                f"{max(live[2] for _, live in runs):.0f}",
                "-" if wanted.analysis else f"{kept_db(looped, written):.1f}",
                str(wanted.rounds),
            )
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
