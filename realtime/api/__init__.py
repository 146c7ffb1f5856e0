"""What a Python program uses; offered as ``fer_live.open`` and ``fer_live.Photos``."""
