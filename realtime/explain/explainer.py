"""Why a model answers as it does for one face: its layers' feature maps, and a heat map of where it looks.

The heat map is Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391): the maps of the last layer, each
weighted by the mean slope of the label's logit on it, summed and rectified. onnxruntime gives no gradients, and none
are needed: a map's mean slope is how fast the logit rises when the whole map is raised, which is measured by raising
it, in the part of the network behind the maps only. Where that part is a mean and a linear layer, the slopes are its
weights (class activation mapping, Zhou et al. 2016, https://arxiv.org/abs/1512.04150), the same for every face, and are
measured once. A network without maps gets occlusion sensitivity instead (Zeiler & Fergus 2014,
https://arxiv.org/abs/1311.2901).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256 as sha256_of
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import Contract
from fer_live.errors import ModelError
from fer_live.model_metadata import ModelMetadata, output_names

from .graph import Graph
from .layers import Layer, layers_of
from .part import Part

__all__ = ["Explainer", "Method"]

Crop = NDArray[np.uint8]
Floats = NDArray[np.float32]

RAISED_BY = {"float32": 0.001, "float16": 0.25}
"""How much a map is raised to measure its slope, of the largest value of all: little, for the slope is wanted at this
very face, and enough that two logits differ by more than their rounding."""

MOST_AT_ONCE = 64
"""Raised copies of a face's maps in one run, which bounds the memory."""

STEPS = 6
"""Occlusion covers a third of the face's side, in steps of half of that, partly beyond the edges too: 7 x 7 places."""


class Method(StrEnum):
    """How a heat map comes about; the value is how it is shown."""

    CAM = "CAM"
    GRAD_CAM = "Grad-CAM"
    OCCLUSION = "occlusion"


class Explainer:
    """Looks into a model that ``fer-export`` wrote, on the CPU. From one thread at a time.

    Args:
        path: the ``.onnx`` file.
        sha256: of the file whose answers are to be explained; None takes it as it is.

    Attributes:
        contract: of the model.
        layers: those that all of the network flows through, the first one first; none of a network without maps.
        method: of the heat map.

    Raises:
        ModelError: the file can't be read, is another one by now, or is no expression model.
    """

    def __init__(self, path: Path, *, sha256: str | None = None) -> None:
        try:
            model = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: can't be read: {error.strerror}") from error
        if sha256 not in (None, sha256_of(model).hexdigest()):
            raise ModelError(f"{path}: the file was replaced since it was opened; what runs can't be looked into")
        try:
            self._open(model)
        except ModelError as error:
            raise type(error)(f"{path}: {error}") from error

    def _open(self, model: bytes) -> None:
        self._part = Part(model)
        metadata = ModelMetadata.from_props(self._part.props)
        self.contract: Contract = metadata.contract
        self._logits, self._probabilities = output_names(self.contract)[:2]
        graph = Graph(model, self._logits)
        self.layers = layers_of(graph, metadata.probe.faces[:1])
        self._slopes: Floats | None = None
        self.method = Method.OCCLUSION
        if self.layers:
            last = self.layers[-1]
            self._dtype = np.dtype(np.float16 if last.precision == "float16" else np.float32)
            # Raising a map raises what a pool makes of it by as much, and that is less to compute with.
            self._ends = (last.tensor, graph.after_pools(last.tensor))
            self._part = Part(graph.showing({*(layer.tensor for layer in self.layers), *self._ends}))
            pooled = self._part.run(self._ends[1:], metadata.probe.faces[:1])[0][0]
            self._behind = Part(graph.behind(self._ends[1], self._dtype.name, pooled.shape))
            self.method = Method.GRAD_CAM
            if graph.is_affine_behind(last.tensor):
                self.method = Method.CAM
                self._slopes = self._slopes_at(np.zeros(pooled.shape, np.float32), range(len(pooled)))

    def heat(self, crop: Crop, label: int) -> Floats:
        """How much each place speaks for a label.

        Args:
            crop: (1, 1, S, S) uint8, what the classifier sees of the face.
            label: its number, of the first head.

        Returns:
            (S, S) float32, 0..1, against the place that speaks for it most; all 0 where none does.

        Raises:
            ModelError: the run failed.
            ValueError: a crop or label that doesn't fit the model.
        """
        self._check(crop)
        if not 0 <= label < len(self.contract.labels):
            raise ValueError(f"label must be 0 to {len(self.contract.labels) - 1}, found {label}")
        if not self.layers:
            return self._occlusion(crop, label)
        maps, pooled = (array[0].astype(np.float32) for array in self._part.run(self._ends, crop))
        if self._slopes is not None:
            weights = self._slopes[:, label]
        else:
            weights = np.zeros(len(maps), np.float32)
            speaking = np.flatnonzero(maps.any((1, 2)))  # a map of zeros adds nothing, whatever its slope
            weights[speaking] = self._slopes_at(pooled, speaking.tolist())[:, label]
        return _scaled(np.tensordot(weights, maps, 1), self.contract.size)

    def maps(self, crop: Crop, layer: Layer) -> Floats:
        """The feature maps of a layer.

        Args:
            crop: as of :meth:`heat`.
            layer: of :attr:`layers`.

        Returns:
            (C, h, w) float32.

        Raises:
            ModelError: the run failed.
            ValueError: a crop or layer that doesn't fit the model.
        """
        self._check(crop)
        if layer not in self.layers:
            raise ValueError(f"this model has no layer {layer.name!r} as that one")
        return np.asarray(self._part.run([layer.tensor], crop)[0][0], np.float32)

    def _check(self, crop: Crop) -> None:
        size = self.contract.size
        if crop.shape != (1, 1, size, size) or crop.dtype != np.uint8:
            raise ValueError(f"crop must be (1, 1, {size}, {size}) uint8, found {crop.shape} {crop.dtype}")

    def _slopes_at(self, maps: Floats, rows: Sequence[int]) -> Floats:
        """How fast each logit rises with each of these maps (C, h, w): (rows, labels), for a rise all over the map."""
        # Of an affine part any rise will do, and maps of zeros show no scale of their own.
        rise = RAISED_BY[self._dtype.name] * float(np.abs(maps).max()) or 1.0
        copies = np.repeat(maps[None].astype(self._dtype), 1 + min(MOST_AT_ONCE, len(rows)), 0)
        found = np.zeros((len(rows), len(self.contract.labels)), np.float32)
        for start in range(0, len(rows), MOST_AT_ONCE):
            raised = rows[start : start + MOST_AT_ONCE]
            for copy, row in zip(copies[1:], raised, strict=False):
                copy[row] += self._dtype.type(rise)
            logits = self._behind.run([self._logits], copies[: 1 + len(raised)])[0].astype(np.float32)
            found[start : start + len(raised)] = (logits[1:] - logits[0]) / rise
            for copy, row in zip(copies[1:], raised, strict=False):
                copy[row] = copies[0, row]
        return found

    def _occlusion(self, crop: Crop, label: int) -> Floats:
        """How much the label's probability falls, in sum, under the patches that cover a place in grey."""
        size = self.contract.size
        step = size // STEPS
        places = [slice(max(0, start), start + 2 * step) for start in range(-step, size, step)]
        boxes = [(rows, columns) for rows in places for columns in places]
        faces = np.repeat(crop, 1 + len(boxes), 0)
        for face, (rows, columns) in zip(faces[1:], boxes, strict=True):
            face[0, rows, columns] = round(255 * self.contract.mean)
        seen = self._part.run([self._probabilities], faces)[0][:, label]
        fall = np.zeros((size, size), np.float32)
        for (rows, columns), probability in zip(boxes, seen[1:], strict=True):
            fall[rows, columns] += seen[0] - probability
        return _scaled(fall, size)


def _scaled(heat: Floats, size: int) -> Floats:
    """(h, w) as (size, size), what speaks against left out, the most 1."""
    large = np.maximum(cv2.resize(np.maximum(heat, 0), (size, size), interpolation=cv2.INTER_LINEAR), 0)
    most = float(large.max())
    return np.asarray(large / most if most > 0 else np.zeros_like(large), np.float32)
