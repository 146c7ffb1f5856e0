"""What this project wants of its bundled model, and by how much a model has it or misses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fer_live.training.evaluation.compare import Comparison, SplitFigures

from .tables import Table, short_name

__all__ = ["AIMS", "aims_table"]


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure of the split with this key that should be at least ``wanted`` %, or at most where ``at_most``.

    ``figure``: the share (0..1), None where a model has none.
    """

    title: str
    split: str
    figure: Callable[[SplitFigures], float | None]
    wanted: float
    at_most: bool = False


def _disgust(split: SplitFigures) -> float | None:
    found = split.result.fer2013
    return None if "disgust" in found.absent else found.recall[found.labels.index("disgust")]


def _ferplus(split: SplitFigures) -> float | None:
    return None if split.result.ferplus is None else split.result.ferplus.accuracy


AIMS = (
    Aim("accuracy, standard", "private", lambda split: split.result.fer2013.accuracy, 72.0),
    Aim("accuracy, dedup", "private_dedup", lambda split: split.result.fer2013.accuracy, 70.5),
    Aim("macro-F1, standard", "private", lambda split: split.result.fer2013.macro_f1, 70.0),
    Aim("recall of disgust, dedup", "private_dedup", _disgust, 60.0),
    Aim("FER+ majority, standard", "private", _ferplus, 85.0),
    Aim("ECE-15, standard", "private", lambda split: split.result.fer2013.ece, 3.0, at_most=True),
    Aim("accuracy of the surest 70 %, standard", "private", lambda split: split.result.fer2013.accuracy_at_70, 85.0),
)
"""Of one view of each face of PrivateTest. What robustness should be stands beside the corruptions."""


def aims_table(comparison: Comparison) -> Table:
    """A row for each aim and model, where that split was opened."""
    rows = []
    for aim in AIMS:
        if aim.split not in comparison.split_keys:
            continue
        for number, split in enumerate(comparison.on(aim.split)):
            share = aim.figure(split)
            if share is None:
                continue
            found = 100 * share
            short = found - aim.wanted if aim.at_most else aim.wanted - found
            rows.append(
                (
                    aim.title,
                    short_name(comparison, number),
                    f"at {'most' if aim.at_most else 'least'} {aim.wanted:.1f}",
                    f"{found:.2f}",
                    "yes" if short <= 0 else f"missed by {short:.2f}",
                )
            )
    return Table("aims", "Aims, PrivateTest", ("aim", "model", "wanted %", "found %", "met"), tuple(rows), 2)
