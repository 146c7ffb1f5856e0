"""The contract between training and live: what a model wants to be fed, and what its answers mean.

A :class:`Contract` is saved inside every checkpoint, written into the metadata of every exported model as one
JSON value, and read back by the live engine. There are no defaults: a file without a contract, or with one of
a version that this release does not know, is refused with :class:`~fer_live.errors.ContractError`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .errors import ContractError

__all__ = [
    "CONTRACT_VERSION",
    "FER2013_FRAMING",
    "FER2013_LABELS",
    "FERPLUS_LABELS",
    "METADATA_KEY",
    "Contract",
    "Framing",
    "Head",
]

CONTRACT_VERSION = 1
METADATA_KEY = "fer_live.contract"

FER2013_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's label order (Goodfellow et al. 2013)."""

FERPLUS_LABELS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""FER+'s label order (Barsoum et al. 2016), without its last two columns, "unknown" and "not a face"."""

_WIDEST_FRAMING = 10
"""Eye distances that a face square may be wide; FER2013's is 2.79."""

RESIZE = "bilinear-supersample-area"
"""The one resize that :mod:`fer_live.preprocess` implements."""


@dataclass(frozen=True, slots=True)
class Framing:
    """The face square that the training images frame, in terms of the face and not of any detector.

    ``side_eye_distances``: the square's side in distances between the two eye centres.
    ``eye_line``, ``mouth_line``: height of the eyes and of the mouth's corners, as fractions of the side from the top.
    ``level_beyond_deg``: a face that is rolled by more than this is turned upright before it is cropped.
    """

    side_eye_distances: float
    eye_line: float
    mouth_line: float
    level_beyond_deg: float

    def __post_init__(self) -> None:
        # What a crop costs grows with the square of its side.
        if not 0 < self.side_eye_distances <= _WIDEST_FRAMING:
            raise ContractError(
                f"contract: side_eye_distances must be above 0 and at most {_WIDEST_FRAMING}, "
                f"found {self.side_eye_distances!r}"
            )
        if not (0 <= self.eye_line <= 1 and 0 <= self.mouth_line <= 1 and 0 <= self.level_beyond_deg <= 360):
            raise ContractError(f"contract: lines must be in 0..1 and level_beyond_deg in 0..360, found {self}")


@dataclass(frozen=True, slots=True)
class Head:
    """One classifier head: its labels in output order, and the temperature (> 0) that its logits are divided by."""

    name: str
    labels: tuple[str, ...]
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Contract:
    """What a model wants and what it answers.

    ``heads``: the first is the one whose label is shown. ``colour``: "grey", BT.601 luma, full range 0..255.
    ``size``: side of the square input in pixels. ``resize``: name of the filter that makes a crop.
    ``mean``, ``std``: of pixels scaled to 0..1; the exported graph applies them to its uint8 input.
    """

    heads: tuple[Head, ...]
    framing: Framing
    mean: float
    std: float
    colour: str = "grey"
    size: int = 48
    resize: str = RESIZE
    version: int = CONTRACT_VERSION

    def __post_init__(self) -> None:
        if self.version != CONTRACT_VERSION:
            raise ContractError(
                f"contract version {self.version!r} is unknown; this release reads version {CONTRACT_VERSION}: "
                "use the release that wrote the model, or export the checkpoint again"
            )
        if self.colour != "grey":
            raise ContractError(f"contract: colour must be 'grey', found {self.colour!r}")
        if self.resize != RESIZE:
            raise ContractError(f"contract: resize must be {RESIZE!r}, found {self.resize!r}")
        if not 8 <= self.size <= 1024:
            raise ContractError(f"contract: size must be 8..1024 pixels, found {self.size!r}")
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
            raise ContractError(f"contract: mean and std must be finite and std > 0, found {self.mean!r}, {self.std!r}")
        if not self.heads:
            raise ContractError("contract: at least one head is needed")
        for head in self.heads:
            if len(head.labels) < 2 or len(set(head.labels)) != len(head.labels):
                raise ContractError(f"contract: head {head.name!r} needs two or more different labels")
            if not all(label.isprintable() and label for label in head.labels):
                raise ContractError(f"contract: labels must be printable text, found {head.labels!r}")
            if not (math.isfinite(head.temperature) and head.temperature > 0):
                raise ContractError(f"contract: head {head.name!r} has temperature {head.temperature!r}, must be > 0")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the head that is shown, in output order."""
        return self.heads[0].labels

    def with_temperatures(self, temperatures: Mapping[str, float]) -> Contract:
        """The same contract with new temperatures for the heads named in ``temperatures``."""
        heads = tuple(replace(head, temperature=temperatures.get(head.name, head.temperature)) for head in self.heads)
        return replace(self, heads=heads)

    def to_json(self) -> str:
        """One JSON value that :meth:`from_json` reads back to an equal contract."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Read a contract.

        Raises:
            ContractError: not JSON, an unknown version, a missing or unknown field, a value of the wrong type.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"contract is not JSON: {error}") from error
        if not isinstance(raw, dict) or "version" not in raw:
            raise ContractError("contract has no version: the file was not written by fer-export")
        if raw["version"] != CONTRACT_VERSION:
            raise ContractError(
                f"contract version {raw['version']!r} is unknown; this release reads version {CONTRACT_VERSION}: "
                "use the release that wrote the model, or export the checkpoint again"
            )
        try:
            framing = Framing(**{name: float(raw["framing"][name]) for name in _names(Framing, raw["framing"])})
            heads = tuple(
                Head(str(head["name"]), tuple(map(str, head["labels"])), float(head["temperature"]))
                for head in raw["heads"]
                if _names(Head, head)
            )
            _names(cls, raw)
            return cls(
                heads=heads,
                framing=framing,
                mean=float(raw["mean"]),
                std=float(raw["std"]),
                colour=str(raw["colour"]),
                size=_whole(raw["size"]),
                resize=str(raw["resize"]),
                version=int(raw["version"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ContractError(f"contract is broken: {type(error).__name__}: {error}") from error


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def _names(cls: Any, raw: Mapping[str, Any]) -> list[str]:
    """The field names of ``cls``, once it is sure that ``raw`` has exactly those."""
    names = [field.name for field in fields(cls)]
    if set(raw) != set(names):
        raise ContractError(f"contract: {cls.__name__} needs the fields {sorted(names)}, found {sorted(raw)}")
    return names


FER2013_FRAMING = Framing(side_eye_distances=2.79, eye_line=0.40, mouth_line=0.75, level_beyond_deg=10.0)
"""How FER2013 frames a face, measured with YuNet on its Training images (docs/framing.md)."""
