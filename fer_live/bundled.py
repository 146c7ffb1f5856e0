"""The weights that come with the package, and a clip to try them on: where they lie and what they must be.

Their sources, versions and licences stand in ``fer_live/assets/README.md``.
"""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from .errors import ModelError

__all__ = ["DETECTOR_BLAZEFACE", "DETECTOR_YUNET", "MODEL", "MODEL_INT8", "SELFTEST_CLIP", "SHA256", "asset_path"]

DETECTOR_YUNET = "yunet_2023mar.onnx"
DETECTOR_BLAZEFACE = "blazeface_short_range.tflite"
MODEL = "expression.onnx"
MODEL_INT8 = "expression_int8.onnx"
SELFTEST_CLIP = "selftest.mp4"

SHA256 = MappingProxyType(
    {
        DETECTOR_YUNET: "1c17250cbfb7a037b79f1401181e5244895e5e04ac68e2b3ad248a510928fddd",
        DETECTOR_BLAZEFACE: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        MODEL: "5c2082bbcc31e730ff2030611377d5739aff1bba4647c45d91535aa5a0a96feb",
        MODEL_INT8: "4be9d779bfeab8dfe2b5feaed0a0457cc57534fdecdab428e00bd712156d33ca",
        SELFTEST_CLIP: "96abf2ba2682b6f77a0886c014c1e38b55ada111797e5ab93ff79ff88cf1deca",
    }
)
"""SHA-256 of the bundled files, lower-case hexadecimal, by file name."""

_WAY_OUT = "in a clone: git checkout -- fer_live/assets; else install fer-live again"


def asset_path(name: str) -> Path:
    """Where the bundled file ``name`` lies, once it is sure that its bytes are the released ones.

    Raises:
        ModelError: it is not there, or it was damaged or changed.
    """
    path = Path(str(resources.files("fer_live") / "assets" / name))
    if not path.is_file():
        raise ModelError(f"{path}: the bundled file is missing; {_WAY_OUT}")
    found = sha256(path.read_bytes()).hexdigest()
    if found != SHA256[name]:
        raise ModelError(f"{path}: damaged or changed: SHA-256 {found}, expected {SHA256[name]}; {_WAY_OUT}")
    return path
