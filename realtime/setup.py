"""What the stages of a run work with, which may be changed while it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from fer_live.contract import Contract
from fer_live.errors import ModelError

from .datatypes import Classifier, Detector

__all__ = ["Setup", "check_same_crops", "check_same_framing", "check_same_labels"]


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """One way to work. Each frame is worked on with one of them from the first stage to the last.

    ``detector``: finds the faces. ``classifier``: reads them. ``smooth``: whether expressions are shown smoothed over
    time, or as the classifier's newest answer. ``other``: reads the same faces for comparison; None for nobody.
    """

    detector: Detector
    classifier: Classifier
    smooth: bool = True
    other: Classifier | None = None


def check_same_labels(before: Contract, after: Contract) -> None:
    """See that one model may stand in for another in a run: everything that follows counts on the labels.

    Raises:
        ModelError: their labels differ, in what or in order.
    """
    if before.labels != after.labels:
        raise ModelError(
            f"its labels ({', '.join(after.labels)}) are not those of the run ({', '.join(before.labels)}): "
            "start again with it"
        )


def check_same_framing(before: Contract, after: Contract) -> None:
    """See that one model wants the same part of a picture as another.

    Raises:
        ModelError: it doesn't.
    """
    if before.framing != after.framing:
        raise ModelError("it frames a face otherwise, and heads are covered by the framing of the run: start again")


def check_same_crops(one: Contract, other: Contract) -> None:
    """See that two models can be compared: that they tell the same labels apart, and read the same crops.

    Raises:
        ModelError: they don't.
    """
    check_same_labels(one, other)
    if (one.size, one.framing, one.colour, one.resize) != (other.size, other.framing, other.colour, other.resize):
        raise ModelError(
            f"it reads other crops ({other.size} px, {other.framing}) than the model that it is compared with "
            f"({one.size} px, {one.framing}): only models that are shown the same can be compared"
        )
