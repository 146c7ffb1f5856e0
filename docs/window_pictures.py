"""Make the pictures of the window in the guide: ``python docs/window_pictures.py``. Needs Xvfb, xdotool and mss."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import mss
import numpy as np

from fer_live.realtime.testing.clips import repeat_clip
from fer_live.realtime.testing.display import virtual_display

DOCS = Path(__file__).resolve().parent
CLIP, IMAGES = DOCS.parent / "samples" / "astronaut.mp4", DOCS / "images"
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]
HEARD_S, REDRAWN_S, FIGURES_S = 0.3, 1.5, 4.0
FRAMES = 1000
SIZE_WH = (1280, 720)


def main() -> None:
    """The help; the figures of a few seconds and a selected face; the heat map and feature maps."""
    with tempfile.TemporaryDirectory() as folder, virtual_display(1280, 800) as display:
        large, clip = Path(folder) / "large.mp4", Path(folder) / CLIP.name
        enlarge(CLIP, large)
        repeat_clip(large, clip, FRAMES)
        photograph(display, clip, "window", "question space")
        photograph(display, clip, "window_figures", f"h Tab {FIGURES_S} space")
        photograph(display, clip, "window_look", f"g f f f {REDRAWN_S} space")


def enlarge(clip: Path, target: Path) -> None:
    """The clip at the size of a usual camera's pictures, beside whose faces there is room for the figures."""
    with av.open(clip) as source, av.open(target, "w") as out:
        stream = out.add_stream("libx264", source.streams.video[0].average_rate, {"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        for frame in source.decode(video=0):
            out.mux(stream.encode(frame.reformat(*SIZE_WH, "yuv420p", interpolation="BICUBIC")))
        out.mux(stream.encode(None))


def photograph(display: str, clip: Path, name: str, script: str) -> None:
    """Show a clip, press the keys of a script, whose numbers are seconds to wait, and keep what is then seen."""
    environment = os.environ | {"DISPLAY": display}

    def do(*words: str) -> str:
        return subprocess.run(["xdotool", *words], env=environment, check=True, capture_output=True, text=True).stdout

    program = [Path(sys.executable).with_name("fer-live"), "--video", clip, "--device", "cpu"]
    with subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            window = do("search", "--sync", "--onlyvisible", "--name", "^fer-live: ").split()[0]
            do("windowfocus", window)
            time.sleep(REDRAWN_S)  # Qt hears no key before
            for word in script.split():
                if word[0].isdigit():
                    time.sleep(float(word))
                else:
                    do("key", word)
                    time.sleep(HEARD_S)
            time.sleep(REDRAWN_S)
            place = dict(line.split("=") for line in do("getwindowgeometry", "--shell", window).split())
            with mss.MSS(display=display) as grabber:
                screen = np.asarray(grabber.grab(grabber.monitors[0]))[..., :3]
            left, top, width, height = (int(place[key]) for key in ("X", "Y", "WIDTH", "HEIGHT"))
            picture = screen[top : top + height, left : left + width]
        finally:
            run.kill()
    cv2.imwrite(str(IMAGES / f"{name}.jpg"), picture, QUALITY)


if __name__ == "__main__":
    main()
