"""How close fer-live comes to the machine's limit on a file: its frames a second as a share of a floor.

    python benchmarks/throughput.py CLIP [CLIP ...] [--frames 600] [--rounds 3]

The floor decodes the same clip and encodes it again with the same encoder settings (x264 ultrafast, crf 23, frame
threads, YUV all the way) and does nothing else. Both run as programs of their own, interleaved, on a copy of the clip
that is repeated up to ``--frames``, so that start-up weighs little. Medians are printed; read the ratio.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

import av

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


def repeated(clip: Path, target: Path, frames: int) -> int:
    """Write ``clip``'s packets again and again, without sound, until there are ``frames``; returns how many."""
    with av.open(str(target), "w") as out:
        stream = None
        written, offset = 0, 0
        while written < frames:
            with av.open(str(clip)) as source:
                given = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(given)
                end = 0
                for packet in source.demux(given):
                    if packet.dts is None:
                        continue
                    packet.pts = None if packet.pts is None else packet.pts + offset
                    packet.dts += offset
                    end = max(end, (packet.pts or packet.dts) + (packet.duration or 1))
                    packet.stream = stream
                    out.mux(packet)
                    written += 1
                offset = end
    return written


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--options", default="", help="more options for fer-live, in one string")
    wanted = parser.parse_args()
    program = str(Path(sys.executable).with_name("fer-live"))
    names = ("fer-live", "onnxruntime-gpu", "av", "opencv-python")
    print(f"{date.today()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}")
    print(", ".join(f"{name} {version(name)}" for name in names), f"options {wanted.options or 'none'}", sep="; ")
    print("| clip | frames | floor fps | fer-live fps | fer-live / floor | n |\n|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for clip in wanted.clips:
            looped = Path(folder) / f"looped{clip.suffix}"
            frames = repeated(clip, looped, wanted.frames)
            floor = [sys.executable, "-c", FLOOR, str(looped), str(Path(folder) / "floor.mp4")]
            live = [program, "--video", str(looped), "--out", str(Path(folder) / "live.mp4"), "--no-window"]
            live += wanted.options.split()
            times = [(seconds(floor), seconds(live)) for _ in range(wanted.rounds)]
            floor_fps, live_fps = (frames / median(column) for column in zip(*times, strict=True))
            ratio = median(a / b for a, b in times)
            row = (clip.name, f"{frames:,}", f"{floor_fps:.0f}", f"{live_fps:.0f}", f"{ratio:.2f}", str(wanted.rounds))
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
