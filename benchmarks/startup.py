"""How long fer-live takes until it has done one frame: the start, and nothing else.

    python benchmarks/startup.py CLIP [--rounds 9]

The first frame of the clip is cut out into a file of its own and put through the whole program, interleaved with an
interpreter that does nothing: what that takes is the machine's, the rest is fer-live's. Wall time, medians, lowest and
highest round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import av
from throughput import cost

from fer_live.machine import measured_on


def first_frame(clip: Path, target: Path) -> None:
    """Copy a clip's first picture, as it was coded."""
    with av.open(clip) as source, av.open(target, "w") as out:
        given = source.streams.video[0]
        packet = next(packet for packet in source.demux(given) if packet.size)
        packet.stream = out.add_stream_from_template(given)
        out.mux(packet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    wanted = parser.parse_args()
    program = str(Path(sys.executable).with_name("fer-live"))
    with tempfile.TemporaryDirectory() as folder:
        one, out = Path(folder) / f"one{wanted.clip.suffix}", Path(folder) / "out"
        first_frame(wanted.clip, one)
        read = [program, "--video", str(one), "--no-window"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "fer-live --version": [program, "--version"],
            "fer-live --video, one frame, --save": [*read, "--save", f"{out}.csv"],
            "fer-live --video, one frame, --out": [*read, "--out", f"{out}.mp4"],
        }
        rounds = [{name: cost(command)[0] for name, command in commands.items()} for _ in range(1 + wanted.rounds)]
    print(measured_on(("onnxruntime-gpu", "av", "opencv-python")), f"n = {wanted.rounds}", sep="; ")
    print("\n| command | seconds | lowest, highest |\n|---|---:|---:|")
    for name in commands:
        taken = [each[name] for each in rounds[1:]]  # the first reads files that later ones find in memory
        print(f"| `{name}` | {median(taken):.2f} | {min(taken):.2f}, {max(taken):.2f} |")


if __name__ == "__main__":
    main()
