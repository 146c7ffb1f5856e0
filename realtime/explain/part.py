"""A model, or a part of one, that runs on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fer_live.errors import ModelError, first_line
from fer_live.sessions import set_up

__all__ = ["Part"]


class Part:
    """Runs the bytes of a model with one thread.

    Raises:
        ModelError: onnxruntime doesn't take them.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        set_up(options, threads=1)
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            raise ModelError(f"onnxruntime cannot load it: {first_line(error)}") from error
        self._inputs = {entry.name: entry.shape for entry in self._session.get_inputs()}

    @property
    def props(self) -> Mapping[str, str]:
        """What the model says of itself."""
        return self._session.get_modelmeta().custom_metadata_map  # type: ignore[no-any-return]

    def run(self, outputs: Sequence[str], values: NDArray[Any]) -> list[NDArray[Any]]:
        """These outputs for (N, ...) of the first input.

        A part may also have the whole model's input, of which it wants to know only how many faces there are.

        Raises:
            ModelError: the run failed.
        """
        first, *others = self._inputs
        feed = {first: values}
        for name in others:
            feed[name] = np.zeros((len(values), *self._inputs[name][1:]), np.uint8)
        try:
            found: list[NDArray[Any]] = self._session.run(list(outputs), feed)
        except Exception as error:
            raise ModelError(f"the expression model can't be looked into: {first_line(error)}") from error
        return found
