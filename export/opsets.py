"""The ONNX operator sets that can be exported; the command line reads them without torch."""

from __future__ import annotations

__all__ = ["DEFAULT_OPSET", "FIRST_OPSET", "LAST_OPSET"]

FIRST_OPSET, LAST_OPSET = 18, 23
"""The exporter writes no older one, and onnxruntime 1.22 reads no newer one."""

DEFAULT_OPSET = 18
