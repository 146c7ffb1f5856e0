import pytest

from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.testing import synthetic_fer2013


@pytest.fixture(scope="session")
def synthetic() -> Fer2013:
    return synthetic_fer2013(560)
