"""fer-live: real-time facial-expression recognition in video.

The shared room: the contract between training and live, the one preprocessing path, the errors and the bundled
weights. It imports the standard library, numpy and OpenCV; the commands' runner also click.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
