"""What an exported model (``.onnx``) says of itself: its contract, a probe with the expected answer, its provenance.

``fer-export`` writes :meth:`ModelMetadata.to_props` into the file's ``metadata_props``; the live engine reads it back
with ``ModelMetadata.from_props(session.get_modelmeta().custom_metadata_map)``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .contract import METADATA_KEY, Contract
from .errors import ContractError

__all__ = [
    "BATCH_DIMENSION",
    "FLOAT32_TOLERANCE",
    "INPUT_NAME",
    "PROBE_KEY",
    "PROVENANCE_KEY",
    "ModelMetadata",
    "Probe",
    "output_names",
]

INPUT_NAME = "faces"
"""The exported graph's input: (N, 1, S, S) uint8."""

BATCH_DIMENSION = "N"
"""Name of the free dimension of inputs and outputs: how many faces."""

PROBE_KEY = "fer_live.probe"
PROVENANCE_KEY = "fer_live.provenance"
PROBE_VERSION = 1

FLOAT32_TOLERANCE = 2e-3
"""Largest difference of a probability to the probe's answer in float32: room for other kernels, not for bugs."""

_Scalar = TypeVar("_Scalar", bound=np.generic)
_WAY_OUT = "not a model that fer-export wrote; make one with: fer-export model.pt"


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Faces whose answer is known, so that a model which answers differently here than where it was made is refused.

    ``faces``: (K, 1, S, S) uint8, drawn, not photographed. ``probabilities``: (K, C) float32 of the first head, on the
    CPU: by the network in float32, or by the int8 model itself. ``tolerance``: the largest difference to them that
    another machine's answer may have, in 0..1; a file that names none is a float32 model.
    """

    faces: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    tolerance: float = FLOAT32_TOLERANCE

    def __post_init__(self) -> None:
        if self.faces.ndim != 4 or self.faces.shape[1] != 1 or self.faces.dtype != np.uint8 or not len(self.faces):
            raise ContractError(f"probe faces must be (K, 1, S, S) uint8, found {self.faces.shape} {self.faces.dtype}")
        shape = self.probabilities.shape
        if len(shape) != 2 or shape[0] != len(self.faces) or self.probabilities.dtype != np.float32:
            raise ContractError(
                f"probe probabilities must be ({len(self.faces)}, C) float32, found {shape} {self.probabilities.dtype}"
            )
        if not np.isfinite(self.probabilities).all():
            raise ContractError("probe probabilities must be finite")
        if not 0 < self.tolerance < 1:
            raise ContractError(f"probe tolerance must be between 0 and 1, found {self.tolerance!r}")

    def max_difference(self, probabilities: NDArray[np.float32]) -> float:
        """Largest absolute difference of ``probabilities`` (K, C) to the expected ones; inf where any is not finite.

        Raises:
            ContractError: another shape than the expected one.
        """
        if probabilities.shape != self.probabilities.shape:
            raise ContractError(
                f"the model answers its probe with the shape {probabilities.shape}, expected {self.probabilities.shape}"
            )
        if not np.isfinite(probabilities).all():
            return float("inf")
        return float(np.abs(probabilities.astype(np.float64) - self.probabilities).max())


@dataclass(frozen=True, slots=True, eq=False)
class ModelMetadata:
    """What stands in a model's ``metadata_props``.

    ``provenance``: what is known of the model's making (recipe, epoch, git commit, figures), JSON values.
    """

    contract: Contract
    probe: Probe
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        side, labels = self.contract.size, len(self.contract.labels)
        if self.probe.faces.shape[2:] != (side, side) or self.probe.probabilities.shape[1] != labels:
            raise ContractError(
                f"the probe, faces {self.probe.faces.shape} and probabilities {self.probe.probabilities.shape}, does "
                f"not fit the contract of size {side} with {labels} labels"
            )

    def to_props(self) -> dict[str, str]:
        """Key and value of each entry that :meth:`from_props` reads back."""
        probe = {
            "version": PROBE_VERSION,
            "faces": _encode(self.probe.faces, "|u1"),
            "probabilities": _encode(self.probe.probabilities, "<f4"),
            "tolerance": self.probe.tolerance,
        }
        return {
            METADATA_KEY: self.contract.to_json(),
            PROBE_KEY: json.dumps(probe, sort_keys=True),
            PROVENANCE_KEY: json.dumps(dict(self.provenance), sort_keys=True),
        }

    @classmethod
    def from_props(cls, props: Mapping[str, str]) -> ModelMetadata:
        """Read what :meth:`to_props` wrote.

        Raises:
            ContractError: an entry is missing, broken or of an unknown version.
        """
        missing = [key for key in (METADATA_KEY, PROBE_KEY, PROVENANCE_KEY) if key not in props]
        if missing:
            raise ContractError(f"the model's metadata lacks {', '.join(missing)}: {_WAY_OUT}")
        contract = Contract.from_json(props[METADATA_KEY])
        raw = _json_object(PROBE_KEY, props[PROBE_KEY])
        if raw.get("version") != PROBE_VERSION:
            raise ContractError(
                f"probe version {raw.get('version')!r} is unknown; this release reads version {PROBE_VERSION}: "
                "use the release that wrote the model, or export the checkpoint again"
            )
        try:
            probe = Probe(
                _decode(raw["faces"], np.uint8, "|u1"),
                _decode(raw["probabilities"], np.float32, "<f4"),
                float(raw.get("tolerance", FLOAT32_TOLERANCE)),
            )
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
            raise ContractError(f"{PROBE_KEY} is broken: {type(error).__name__}: {error}") from error
        return cls(contract, probe, _json_object(PROVENANCE_KEY, props[PROVENANCE_KEY]))


def output_names(contract: Contract) -> tuple[str, ...]:
    """The exported graph's outputs, all (N, C) float32: ``logits`` and ``probabilities`` of the first head, then the
    same of each further head with its name before them (``ferplus_logits``, ``ferplus_probabilities``).
    """
    prefixes = ("", *(f"{head.name}_" for head in contract.heads[1:]))
    return tuple(f"{prefix}{kind}" for prefix in prefixes for kind in ("logits", "probabilities"))


def _json_object(key: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{key} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ContractError(f"{key} must be a JSON object, found {type(value).__name__}")
    return value


def _encode(array: NDArray[Any], dtype: str) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode("ascii")
    return {"shape": list(array.shape), "base64": data}


def _decode(raw: Mapping[str, Any], scalar: type[_Scalar], dtype: str) -> NDArray[_Scalar]:
    values = np.frombuffer(base64.b64decode(raw["base64"], validate=True), dtype)
    return values.reshape([int(size) for size in raw["shape"]]).astype(scalar)
