"""What the stages of a run work with, which may be changed while it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from fer_live.contract import Contract
from fer_live.errors import ModelError

from .datatypes import Classifier, Detector

__all__ = ["Setup", "check_same_labels"]


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """One way to work. Each frame is worked on with one of them from the first stage to the last.

    ``detector``: finds the faces. ``classifier``: reads them. ``smooth``: whether expressions are shown smoothed over
    time, or as the classifier's newest answer.
    """

    detector: Detector
    classifier: Classifier
    smooth: bool = True


def check_same_labels(before: Contract, after: Contract) -> None:
    """See that one model may take another's place in a run: everything that follows counts on the labels.

    Raises:
        ModelError: their labels differ, in what or in order.
    """
    if before.labels != after.labels:
        raise ModelError(
            f"its labels ({', '.join(after.labels)}) are not those of the run ({', '.join(before.labels)}): "
            "start again with it"
        )
