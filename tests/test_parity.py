"""Training, export and live agree: the same pixels get the same crops and the same probabilities."""

from pathlib import Path

import cv2
import numpy as np
import torch

from fer_live.bundled import MODEL, asset_path
from fer_live.preprocess import crop_faces, whole_image_squares
from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.testing.fakes import FakeDetector, ListSink, ListSource
from fer_live.training.checkpoint import load_checkpoint
from fer_live.training.evaluation.predictors import load_predictor

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = ROOT / "samples" / "expression.pt"


def faces48(n: int) -> np.ndarray:
    """Images (n, 48, 48) uint8 with a face in them: the sample portrait's, shifted and lit in n ways."""
    photo = cv2.imread(str(ROOT / "samples" / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE)
    images = []
    for index in range(n):
        part = photo[40 + 3 * index : 200 + 3 * index, 150 - 2 * index : 310 - 2 * index]
        images.append(cv2.convertScaleAbs(cv2.resize(part, (48, 48), interpolation=cv2.INTER_AREA), beta=4 * index))
    return np.stack(images).astype(np.uint8)


def predictions(model: Path, images: np.ndarray) -> list[np.ndarray]:
    """Probabilities (n, C) of each head, as evaluation gets them."""
    return list(load_predictor(model, torch.device("cpu"))(images))


def as_frame(image: np.ndarray, index: int) -> Frame:
    chroma = np.full((24, 24), 128, np.uint8)
    return Frame(image.copy(), chroma, chroma.copy(), index, index / 25, limited_range=False)


def test_live_answers_as_the_network_does_on_the_same_pixels() -> None:
    """The whole live path, from frame to result, against PyTorch as evaluation runs it."""
    images = faces48(12)
    expected = predictions(CHECKPOINT, images)[0]
    square = whole_image_squares(images[:1])
    found = Faces(np.array([[0, 0, 48, 48]], np.float32), np.ones(1, np.float32), square)
    sink = ListSink()
    frames = [as_frame(image, index) for index, image in enumerate(images)]
    classifier = OnnxClassifier(asset_path(MODEL), Device.CPU)
    Pipeline(ListSource(frames), FakeDetector(found), classifier, [sink], detect_every=1, classify_every=1).run()
    live = np.concatenate([result.expressions.raw.probabilities for result in sink.results])
    np.testing.assert_allclose(live, expected, atol=1e-4)


def test_evaluation_of_the_exported_file_is_that_of_the_checkpoint() -> None:
    images = faces48(5)
    of_file, of_checkpoint = predictions(asset_path(MODEL), images), predictions(CHECKPOINT, images)
    for exported, trained in zip(of_file, of_checkpoint, strict=True):
        np.testing.assert_allclose(exported, trained, atol=1e-4)


def test_a_large_face_is_cropped_as_its_small_copy() -> None:
    """What live does to a face of five times the size gives nearly the pixels that a 48 x 48 image of it has."""
    contract = load_checkpoint(CHECKPOINT).contract
    photo = cv2.imread(str(ROOT / "samples" / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE)
    crop = crop_faces(photo, np.array([[220.0, 120.0, 240.0, 0.0]], np.float32), contract)[0, 0]
    small = cv2.resize(photo[0:240, 100:340], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(crop.astype(int) - small).mean() < 1


def test_the_bundled_model_is_the_export_of_the_committed_checkpoint() -> None:
    checkpoint = load_checkpoint(CHECKPOINT)
    bundled = OnnxClassifier(asset_path(MODEL), Device.CPU)
    assert bundled.contract == checkpoint.contract
    images = faces48(3)[:, None]
    expected = predictions(CHECKPOINT, images[:, 0])[0]
    np.testing.assert_allclose(bundled.classify(images).probabilities, expected, atol=1e-4)
