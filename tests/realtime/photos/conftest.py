import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_live.realtime.detectors.yunet import YuNetDetector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model

SAMPLE = Path(__file__).parents[3] / "samples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def sample() -> Path:
    """A photo of one person, smiling."""
    return SAMPLE


@pytest.fixture(scope="session")
def detector() -> Iterator[YuNetDetector]:
    with YuNetDetector() as opened:
        yield opened


@pytest.fixture(scope="session")
def classifier() -> OnnxClassifier:
    return OnnxClassifier(bundled_model(Device.CPU))


@pytest.fixture(scope="session")
def encoded():
    """The bytes of an image file of RGB pixels or of a Pillow image."""

    def encode(picture: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(file, kind, **options)
        return file.getvalue()

    return encode
