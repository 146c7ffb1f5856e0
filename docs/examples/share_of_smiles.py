"""How long each face of a video smiles: ``python share_of_smiles.py clip.mp4``."""

import sys
from collections import Counter, defaultdict

import fer_live
from fer_live.errors import FerLiveError


def main(video: str) -> None:
    """Count the frames on which each face carries each label; those in doubt are counted apart."""
    labels: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for result in fer_live.open(video):
        for face in result.faces:
            labels[face.track]["uncertain" if face.uncertain else face.label] += 1
    for track, counts in sorted(labels.items()):
        print(f"face {track}: {counts['happy'] / counts.total():.0%} happy of {counts.total()} frames, {dict(counts)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except FerLiveError as error:
        sys.exit(f"share_of_smiles: {error}")
