"""FER2013 in each form that people have it in, with its official splits and the FER+ votes restored by image hash.

Facts that this module enforces (docs/model_card.md): 703 Training images are byte-identical to a test image and 288
PrivateTest images to a Training or PublicTest image of theirs, so training leaves the former out and evaluation
reports PrivateTest with and without the latter.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_LABELS
from fer_live.errors import DataError
from fer_live.files import system_errors_as

from .csv_edition import read_csv
from .ferplus import ferplus_table, image_hashes, without_slips
from .folder_edition import read_folders
from .official import SIDE, Usage
from .pack import PACK, Packed, read_pack, write_pack

__all__ = ["SIDE", "Fer2013", "Usage", "load_fer2013", "pack_fer2013"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fer2013:
    """A FER2013 data set.

    ``images``: (N, 48, 48) uint8. ``expression``: (N,) int64 in FER2013's label order. ``usage``: (N,) uint8 of
    :class:`Usage`. ``votes``: (N, 10) uint8, FER+ votes in FER+'s order with "unknown" and "not a face" last; a row
    of zeros where there are none. ``notes``: what a reader must know of how the data was read.
    """

    images: NDArray[np.uint8]
    expression: Ints
    usage: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.images)
        for name, shape in (
            ("images", (n, SIDE, SIDE)),
            ("expression", (n,)),
            ("usage", (n,)),
            ("votes", (n, 10)),
        ):
            found = getattr(self, name).shape
            if found != shape:
                raise DataError(f"{name} must have the shape {shape}, found {found}")
        if n and not 0 <= int(self.expression.min()) <= int(self.expression.max()) < len(FER2013_LABELS):
            raise DataError(f"expressions must be 0..{len(FER2013_LABELS) - 1}")
        if n and int(self.usage.max()) > max(Usage):
            raise DataError(f"usages must be 0..{max(Usage):d}")

    def rows(self, usage: Usage) -> Ints:
        """Row numbers of one official split."""
        return np.flatnonzero(self.usage == usage)

    def training_rows(self, cleaning: str = "standard") -> Ints:
        """Training rows.

        Args:
            cleaning: ``standard`` leaves out images that copy a test image and constant (blank) ones, ``dedup`` also
                keeps the first only of identical images, ``none`` takes every Training row.
        """
        if cleaning == "none":
            return self.rows(Usage.Training)
        hashes = image_hashes(self.images)
        tests = hashes[self.usage != Usage.Training]
        blank = np.ptp(self.images.reshape(len(self.images), -1), axis=1) == 0
        kept = np.flatnonzero((self.usage == Usage.Training) & ~np.isin(hashes, tests) & ~blank)
        if cleaning == "standard":
            return kept
        return np.sort(kept[np.unique(hashes[kept], return_index=True)[1]])

    def dedup_private_rows(self) -> Ints:
        """PrivateTest rows without images that stand, byte for byte, in Training or PublicTest."""
        hashes = image_hashes(self.images)
        seen = hashes[self.usage != Usage.PrivateTest]
        return np.flatnonzero((self.usage == Usage.PrivateTest) & ~np.isin(hashes, seen))

    def take(self, rows: Ints) -> Fer2013:
        """The data set of some rows, in that order."""
        return replace(
            self,
            images=self.images[rows],
            expression=self.expression[rows],
            usage=self.usage[rows],
            votes=self.votes[rows],
        )

    def identity(self) -> dict[str, Any]:
        """What tells this data set from another, JSON values."""
        digest = hashlib.sha256()
        for values, dtype in (
            (self.images, "|u1"),
            (self.expression, "<i8"),
            (self.usage, "|u1"),
            (self.votes, "|u1"),
        ):
            digest.update(np.ascontiguousarray(values, dtype).tobytes())
        return {
            "images": len(self.images),
            "training_rows": len(self.training_rows()),
            "public_rows": len(self.rows(Usage.PublicTest)),
            "sha256": digest.hexdigest(),
        }


def load_fer2013(path: Path, on_progress: Callable[[int], None] | None = None) -> Fer2013:
    """Read FER2013 from a csv (official or ICML edition), an .npz, a pack, or a folder with train/ and test/.

    What the edition lacks, the splits of the folder edition and the FER+ votes, is restored from the bundled FER+
    table by image hash.

    Args:
        path: the file or folder.
        on_progress: called now and then with the number of images read so far.

    Raises:
        DataError: nothing there, another format, or a bad row; the message names it.
    """
    tick = on_progress or (lambda _: None)
    with system_errors_as(DataError, path):
        dataset = _read(path, tick)
    lacking = [note for note in _absent_classes(dataset) if note not in dataset.notes]
    return replace(dataset, notes=(*dataset.notes, *lacking))


def pack_fer2013(dataset: Fer2013, folder: Path) -> list[Path]:
    """Write a data set as a pack, which :func:`load_fer2013` reads back as it was; see :func:`~.pack.write_pack`."""
    sha256 = str(dataset.identity()["sha256"])
    return write_pack(
        Packed(dataset.images, dataset.expression, dataset.usage, dataset.votes, dataset.notes, sha256), folder
    )


def _read(path: Path, tick: Callable[[int], None]) -> Fer2013:
    if path.is_dir() and (path / PACK).exists():
        return _read_packed(path, tick)
    if path.is_dir():
        images, expression, is_test = read_folders(path, tick)
        return _with_splits(images, expression, is_test, str(path))
    if not path.is_file():
        raise DataError(
            f"{path}: no such file or folder; give FER2013 as .csv, .npz, a pack or a folder with train/ and test/"
        )
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    if path.suffix.lower() != ".csv":
        raise DataError(f"{path}: expected a .csv, an .npz, a pack or a folder with train/ and test/")
    images, expression, usage = read_csv(path, tick)
    if usage is None:
        return _with_splits(images, expression, np.zeros(len(images), bool), str(path))
    return _with_votes(images, expression, usage, ())


def _absent_classes(dataset: Fer2013) -> list[str]:
    """A note on each test split that has images, but none of some expression."""
    notes = []
    for usage in (Usage.PublicTest, Usage.PrivateTest):
        counts = np.bincount(dataset.expression[dataset.rows(usage)], minlength=len(FER2013_LABELS))
        absent = [label for label, count in zip(FER2013_LABELS, counts, strict=True) if not count]
        if counts.any() and absent:
            notes.append(f"{usage.name} has no image of {', '.join(absent)}: averages over classes leave that out")
    return notes


def _read_packed(path: Path, tick: Callable[[int], None]) -> Fer2013:
    packed = read_pack(path, tick)
    dataset = Fer2013(packed.images, packed.expression, packed.usage, packed.votes, packed.notes)
    if dataset.identity()["sha256"] != packed.sha256:
        raise DataError(f"{path}: order or content is not what was packed; pack it again")
    return dataset


_NPZ = "needs images (N,48,48) uint8, emotion (N,), usage (N,)"


def _read_npz(path: Path) -> Fer2013:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            found: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    except (ValueError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a readable .npz of plain arrays; {_NPZ}") from error
    missing = [name for name in ("images", "emotion", "usage") if name not in found]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}; {_NPZ}")
    images = found["images"]
    if images.dtype != np.uint8:
        raise DataError(f"{path}: images must be uint8, found {images.dtype}")
    for name in ("emotion", "usage"):
        if not np.issubdtype(found[name].dtype, np.integer):
            raise DataError(f"{path}: {name} must be integers, found {found[name].dtype}")
    usage = found["usage"].astype(np.uint8)
    expression = found["emotion"].astype(np.int64)
    if "ferplus_votes" not in found:
        return _with_votes(images, expression, usage, ())
    return Fer2013(images, expression, usage, without_slips(images, found["ferplus_votes"].astype(np.uint8)))


def _with_splits(images: NDArray[np.uint8], expression: Ints, is_test: NDArray[np.bool_], name: str) -> Fer2013:
    """Restore the official splits by hash.

    An image that the table doesn't know (a JPEG copy, say) stays in Training, or goes by its hash to one half of
    the test images: such figures are not comparable, and the note says so.
    """
    hashes = image_hashes(images)
    known_hashes, known_usage, _ = ferplus_table()
    of_hash: dict[int, list[int]] = defaultdict(list)
    for key, usage in zip(known_hashes.tolist(), known_usage.tolist(), strict=True):
        of_hash[key].append(usage)
    splits = np.empty(len(images), np.uint8)
    unknown = 0
    any_test = bool(is_test.any())
    for row, (key, tested) in enumerate(zip(hashes.tolist(), is_test.tolist(), strict=True)):
        left = of_hash.get(key, [])
        fitting = [usage for usage in left if not any_test or (usage != Usage.Training) == tested]
        if fitting:
            splits[row] = fitting[0]
            left.remove(fitting[0])
        else:
            unknown += 1
            splits[row] = (Usage.PublicTest + key % 2) if tested else Usage.Training
    notes: tuple[str, ...] = ()
    if unknown:
        notes = (
            f"{name}: {unknown:,} of {len(images):,} images are not FER2013's, byte for byte: their official split is "
            "unknown, so test figures are not comparable with published ones",
        )
    missing = sum(map(len, of_hash.values()))
    if missing and 2 * unknown < len(images):  # most are FER2013's: the others were lost
        notes = (
            *notes,
            f"{name}: {missing:,} of FER2013's {len(known_hashes):,} images are missing: figures are not comparable "
            "with those of all of it",
        )
    return _with_votes(images, expression, splits, notes)


def _with_votes(
    images: NDArray[np.uint8], expression: Ints, usage: NDArray[np.uint8], notes: tuple[str, ...]
) -> Fer2013:
    hashes = image_hashes(images)
    known_hashes, _, known_votes = ferplus_table()
    if np.array_equal(hashes, known_hashes):
        return Fer2013(images, expression, usage, known_votes, notes)
    votes = np.zeros((len(images), 10), np.uint8)
    of_hash: dict[int, list[int]] = defaultdict(list)
    for row, key in enumerate(known_hashes.tolist()):
        of_hash[key].append(row)
    unmatched = 0
    for row, key in enumerate(hashes.tolist()):
        known = of_hash.get(key)
        if not known:
            unmatched += 1
        else:
            votes[row] = known_votes[known.pop(0) if len(known) > 1 else known[0]]
    if unmatched:
        notes = (*notes, f"{unmatched:,} of {len(images):,} images have no FER+ votes (matched by SHA-256)")
    return Fer2013(images, expression, usage, votes, notes)
