"""fer-live: real-time facial-expression recognition in video.

The shared room: the contract between training and live, the one preprocessing path, the errors and the bundled
weights. It imports the standard library, numpy and OpenCV; the commands' runner also click.
"""

import os

# onnxruntime 1.29 and later sends usage data to Microsoft and keeps a device id in the user's cache folder, unless this
# is set before it is imported (docs/licences.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["__version__"]

__version__ = "0.1.0"
