"""FER+: ten people's votes for each image of FER2013, what training and evaluation make of them, and the bundled table.

    python -m fer_live.training.data.ferplus SOURCE TARGET

makes the table (``assets/README.md``) from an .npz with ``images``, ``usage`` and ``ferplus_votes`` in official order.
"""

from __future__ import annotations

import hashlib
import sys
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FERPLUS_LABELS
from fer_live.errors import DataError, FerLiveError, SinkError
from fer_live.files import system_errors_as

__all__ = [
    "ferplus_distribution",
    "ferplus_majority",
    "ferplus_table",
    "image_hashes",
    "main",
    "without_slips",
    "write_ferplus_table",
]


def image_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first 8 bytes, as a little-endian integer, of the SHA-256 of each image's 2,304 bytes. Shape (N,)."""
    digests = b"".join(hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()[:8] for image in images)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def ferplus_distribution(votes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """FER+ votes (N, 10) as distributions (N, 8) over its expressions; a row of zeros where nobody saw one.

    Single votes are dropped as outliers, as Barsoum et al. 2016 do.
    """
    kept = np.where(votes > 1, votes, 0)[:, : len(FERPLUS_LABELS)].astype(np.float32)
    total = kept.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(kept, total, out=np.zeros_like(kept), where=total > 0), np.float32)


def ferplus_majority(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The FER+ majority label (N,) of votes (N, 10), or -1 where there is none.

    Barsoum et al. 2016: single votes dropped, a label needs more than half of the rest; "unknown" and "not a face"
    are left out of the evaluation.
    """
    kept = np.where(votes > 1, votes, 0).astype(np.int64)
    winner = kept.argmax(axis=1)
    wins = (2 * kept.max(axis=1) > kept.sum(axis=1)) & (winner < len(FERPLUS_LABELS))
    return np.where(wins, winner, -1)


_SLIPS = (5274, 33200)
"""Official rows whose FER+ votes belong to other images: their file names collide with rows 6968 and 34334."""


def without_slips(images: NDArray[np.uint8], votes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """FER+ votes in official order without the two slips; the votes of any other data set as they are."""
    if np.array_equal(image_hashes(images), ferplus_table()[0]):
        votes = votes.copy()
        votes[list(_SLIPS)] = 0
    return votes


def ferplus_table() -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.uint8]]:
    """The bundled FER+ table, a row an official FER2013 image: hash (N,), usage (N,), votes (N, 10)."""
    with (resources.files(__package__) / "assets" / "ferplus_votes.npz").open("rb") as file:
        table = np.load(file, allow_pickle=False)
        return table["sha256_64"].astype(np.uint64), table["usage"], table["votes"]


def write_ferplus_table(source: Path, target: Path) -> None:
    """Write the bundled FER+ table from an .npz with ``images``, ``usage`` and ``ferplus_votes`` in official order.

    Raises:
        DataError: ``source`` is no such .npz.
        SinkError: ``target`` can't be written.
    """
    try:
        with np.load(source, allow_pickle=False) as arrays:
            images, usage, votes = (arrays[name] for name in ("images", "usage", "ferplus_votes"))
    except OSError as error:
        raise DataError(f"{source}: {error.strerror or 'not a readable .npz'}") from error
    except Exception as error:  # on bytes that are no .npz numpy's reader raises whatever they lead it to
        raise DataError(f"{source}: not an .npz with images, usage and ferplus_votes") from error
    votes = votes.astype(np.uint8)
    votes[list(_SLIPS)] = 0
    with system_errors_as(SinkError, target):
        np.savez_compressed(target, sha256_64=image_hashes(images), usage=usage.astype(np.uint8), votes=votes)


def main(arguments: list[str]) -> int:
    """Command line; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m fer_live.training.data.ferplus SOURCE TARGET", file=sys.stderr)
        return 2
    source, target = map(Path, arguments)
    try:
        write_ferplus_table(source, target)
    except FerLiveError as error:
        print(f"ferplus: error: {error}", file=sys.stderr)
        return 1
    print(f"{target}: SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
