"""Measure anew what docs/performance.md says: run the benchmarks and put what they print between the page's marks.

    python benchmarks/page.py --clips FOLDER [--data fer2013.npz] [NAME ...]

A mark is a comment, ``<!-- NAME -->``, and ends with ``<!-- end -->``; between them stands what the command below of
that name printed last. Without a NAME all are run, which takes half an hour and wants a machine with nothing else to
do. *live* needs a display: run it under ``xvfb-run -a``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
FOUR, GROUP, FILM = "grid_four_720p.mp4", "solvay_pan_720p.mp4", "tears_of_steel_360p.mp4"
FACES = (
    *(FOUR, GROUP, FILM, "neutral_to_smile_360p.mp4", "face_then_none.mov", "no_face.mp4", "two_people_turning.gif"),
    *("classroom.gif", "grid_bbaf2n.mpg", "grid_lrwp9a.mpg", "grid_sbwe5n.mpg", "grid_four_1080p.mp4"),
)
TALKING = (FOUR, "grid_lrwp9a.mpg", "grid_bbaf2n.mpg", "grid_sbwe5n.mpg", *FACES[3:4], FILM, *FACES[6:8], GROUP)
DATA = "DATA"
COMMANDS: Mapping[str, Sequence[str]] = {
    "files": ("throughput.py", FOUR, "grid_four_1080p.mp4", GROUP),
    "analysis": ("throughput.py", "--analysis", FOUR),
    "startup": ("startup.py", FOUR),
    "quality": ("quality.py", *FACES),
    "classifier": ("classifier.py",),
    "live": ("latency.py", FOUR),
    "soak": ("soak.py", FILM),
    "steadiness": ("steadiness.py", "--tracks", "30", "--data", DATA, *TALKING),
    "loader": ("loader.py", "--data", DATA),
    "rounding": ("rounding.py", "--data", DATA),
}
"""What each mark's command is: a script here and its arguments; clips by name, ``DATA`` for FER2013."""


def printed(command: Sequence[str], clips: Path, data: Path | None) -> str:
    """What a command prints.

    Raises:
        SystemExit: it fails.
    """
    known = {name: str(clips / name) for name in FACES} | {DATA: str(data)}
    arguments = [known.get(word, word) for word in command[1:]]
    done = subprocess.run(
        [sys.executable, HERE / command[0], *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed; the page is as it was before")
    return done.stdout.strip()


def replaced(page: str, name: str, said: str) -> str:
    """The page with this between the marks of that name.

    Raises:
        SystemExit: the page has no such marks, or several.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    found, count = marks.subn(lambda match: f"{match[1]}\n{said}\n\n{match[2]}", page)
    if count != 1:
        raise SystemExit(f"{PAGE}: has {count} marks {name}, expected 1")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMMANDS)}; default: all")
    parser.add_argument("--clips", type=Path, required=True, help="the folder with the clips that the page names")
    parser.add_argument("--data", type=Path, help="FER2013 as .npz")
    wanted = parser.parse_args()
    if unknown := set(wanted.names) - COMMANDS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(COMMANDS)}")
    names = wanted.names or list(COMMANDS)
    for name in names:  # before the first of them has taken minutes
        replaced(PAGE.read_text("utf-8"), name, "")
        if DATA in COMMANDS[name] and wanted.data is None:
            parser.error(f"{name} needs FER2013: give --data fer2013.npz")
    for name in names:
        print(f"{name}: {' '.join(COMMANDS[name])}", file=sys.stderr, flush=True)
        said = printed(COMMANDS[name], wanted.clips, wanted.data)
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), name, said), "utf-8")


if __name__ == "__main__":
    main()
