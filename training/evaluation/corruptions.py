"""Corruptions that tell how robust a model is: what small, dark, blurred, turned or badly framed faces lose.

Each is a pure function: images (N, S, S) uint8, a strength in the unit that :data:`CORRUPTIONS` names, and a source of
randomness give images (N, S, S) uint8. The same seed draws the same directions at every strength, so that a curve over
strengths is one experiment grown, not several. Geometry goes through the live engine's own crop.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_FRAMING
from fer_live.preprocess import crop_faces, whole_image_squares
from fer_live.training.recipes.registry import fer2013_contract

__all__ = ["CORRUPTIONS", "MOST_POINTS_LOST", "Corruption", "corrupt"]

Images = NDArray[np.uint8]
Random = np.random.Generator
MOST_POINTS_LOST = 5.0
"""How many points of accuracy a model may lose at a corruption's target strength."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption and the strengths at which it is measured.

    ``clean``: the strength that leaves images as they are. ``strengths``: mildest first. ``target``: the strength at
    which a model should lose at most :data:`MOST_POINTS_LOST` points, or None. ``about``: what it does, for a reader.
    """

    key: str
    title: str
    unit: str
    clean: float
    strengths: tuple[float, ...]
    apply: Callable[[Images, float, Random], Images]
    about: str
    target: float | None = None


def corrupt(corruption: Corruption, images: Images, strength: float, seed: int = 0) -> Images:
    """Images (N, S, S) uint8 corrupted; at ``corruption.clean`` they come back as they are."""
    if strength == corruption.clean:
        return images
    generator = np.random.default_rng([seed, zlib.crc32(corruption.key.encode())])
    return corruption.apply(images, strength, generator)


def shrink(images: Images, side_px: float, _: Random) -> Images:
    """Down to ``side_px`` pixels a side and up again, both as the live engine resizes a face."""
    small = replace(fer2013_contract(), size=int(side_px))
    return _recropped(_recropped(images, whole_image_squares(images), small.size), None, images.shape[-1])


def blur(images: Images, sigma_px: float, _: Random) -> Images:
    """Gaussian blur, standard deviation ``sigma_px``: a lens out of focus."""
    return _each(images, lambda image: cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE))


def motion(images: Images, length_px: float, generator: Random) -> Images:
    """The mean along a straight path of ``length_px`` pixels, in a random direction for each face."""
    angles = generator.uniform(0, math.pi, len(images))
    blurred = [
        cv2.filter2D(image, -1, _path_kernel(length_px, angle), borderType=cv2.BORDER_REPLICATE)
        for image, angle in zip(images, angles, strict=True)
    ]
    return _stacked(blurred, images)


def gamma(images: Images, exponent: float, _: Random) -> Images:
    """Grey levels (0..1) to the power of ``exponent``: mid-tones sink, black and white stay."""
    table = 255 * (np.arange(256) / 255) ** exponent
    return np.rint(table).astype(np.uint8)[images]


def low_light(images: Images, stops: float, generator: Random) -> Images:
    """``stops`` halvings of the light, with the noise that a small sensor has then; not brightened again.

    In linear light (gamma 2.2): a white pixel at full light holds 1,000 electrons, shot noise is Poisson's, read noise
    5 electrons (one standard deviation).
    """
    electrons = 1000 * (images / 255.0) ** 2.2 / 2**stops
    counted = generator.poisson(electrons) + generator.normal(0, 5, images.shape)
    return _grey(255 * (np.clip(counted, 0, None) / 1000) ** (1 / 2.2))


def noise(images: Images, deviation: float, generator: Random) -> Images:
    """Gaussian noise of ``deviation`` grey levels (of 255), each pixel on its own."""
    return _grey(images + deviation * generator.standard_normal(images.shape))


def jpeg(images: Images, quality: float, _: Random) -> Images:
    """Written as a grey JPEG of its own and read again; ``quality`` 1..100 as OpenCV (libjpeg) counts."""

    def through(image: Images) -> Images:
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)

    return _each(images, through)


def contrast(images: Images, percent: float, _: Random) -> Images:
    """Distances to the image's own mean shrunk to ``percent`` of what they were."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    return _grey(mean + (images - mean) * (percent / 100))


def colour(images: Images, chroma: float, generator: Random) -> Images:
    """Colour video of a face whose grey, by ITU-R BT.601 as photographs are made grey, is the image.

    Its colours wander smoothly over the face, each chroma up to ``chroma`` levels off grey. It is coded as HD video is,
    by BT.709 in limited range, of which the live engine takes the luma alone.
    """
    side = images.shape[-1]
    contract = replace(fer2013_contract(), size=side)
    coded = []
    for image, points in zip(images, generator.uniform(-1, 1, (len(images), 4, 4, 2)), strict=True):
        blue, red = np.moveaxis(chroma * cv2.resize(points, (side, side), interpolation=cv2.INTER_LINEAR), 2, 0)
        shown = [image + 1.402 * red, image - 0.344136 * blue - 0.714136 * red, image + 1.772 * blue]
        luma = np.tensordot((0.2126, 0.7152, 0.0722), [_grey(channel) for channel in shown], 1)
        coded.append(np.rint(16 + luma * (219 / 255)).astype(np.uint8))
    squares = whole_image_squares(images)[:, None]
    crops = [
        crop_faces(y, square, contract, limited_range=True)[0, 0] for y, square in zip(coded, squares, strict=True)
    ]
    return _stacked(crops, images)


def rotation(images: Images, angle_deg: float, generator: Random) -> Images:
    """Turned by ``angle_deg``, half of the faces each way, without the levelling that the live engine does."""
    squares = whole_image_squares(images)
    squares[:, 3] = generator.permutation(np.where(np.arange(len(images)) % 2, 1, -1)) * angle_deg
    return _recropped(images, squares, images.shape[-1])


def jitter(images: Images, percent: float, generator: Random) -> Images:
    """A detector that misses: the square shifted across and down and scaled, each by a uniform draw of +- ``percent``
    of its side.
    """  # fmt: skip
    squares = whole_image_squares(images)
    draw = generator.uniform(-1, 1, (len(images), 3)) * percent / 100
    squares[:, :2] += draw[:, :2] * squares[:, 2:3]
    squares[:, 2] *= 1 + draw[:, 2]
    return _recropped(images, squares, images.shape[-1])


def glasses(images: Images, percent: float, generator: Random) -> Images:
    """A dark bar over the eyes, ``percent`` of the side high, 80 % of it wide, tilted by up to 10 degrees."""

    def shape(canvas: Images, side: int) -> None:
        centre = (side / 2, side * FER2013_FRAMING.eye_line)
        corners = cv2.boxPoints((centre, (0.8 * side, percent / 100 * side), generator.uniform(-10, 10)))
        cv2.fillConvexPoly(canvas, np.rint(corners * 16).astype(np.int32), 255, cv2.LINE_AA, 4)

    return _covered(images, shape, lambda _: generator.uniform(10, 40))


def hand(images: Images, percent: float, generator: Random) -> Images:
    """An ellipse over the mouth in about the face's own grey, ``percent`` of the side high and 1.5 times as wide."""

    def shape(canvas: Images, side: int) -> None:
        x = side * (0.5 + generator.uniform(-0.05, 0.05))
        y = side * FER2013_FRAMING.mouth_line
        axes = (round(0.75 * percent / 100 * side * 16), round(0.5 * percent / 100 * side * 16))
        turn = generator.uniform(-20, 20)
        cv2.ellipse(canvas, (round(x * 16), round(y * 16)), axes, turn, 0, 360, 255, -1, cv2.LINE_AA, 4)

    return _covered(images, shape, lambda image: float(np.median(image)) + generator.uniform(-25, 25))


def _covered(images: Images, draw: Callable[[Images, int], None], level: Callable[[Images], float]) -> Images:
    """Images with a drawn shape of one grey level over each."""
    covered = []
    for image in images:
        mask = np.zeros(image.shape, np.uint8)
        draw(mask, image.shape[-1])
        share = mask / 255.0
        covered.append(_grey(image * (1 - share) + level(image) * share))
    return _stacked(covered, images)


def _path_kernel(length: float, angle: float) -> NDArray[np.float32]:
    """A line of ``length`` pixels through the middle of an odd square, its weights spread bilinearly; sums to 1."""
    radius = math.ceil(length / 2)
    kernel = np.zeros((2 * radius + 2, 2 * radius + 2))
    steps = np.linspace(-(length - 1) / 2, (length - 1) / 2, max(1, round(8 * length)))
    for x, y in zip(radius + steps * math.cos(angle), radius + steps * math.sin(angle), strict=True):
        column, row = int(x), int(y)
        across, down = x - column, y - row
        kernel[row : row + 2, column : column + 2] += np.outer((1 - down, down), (1 - across, across))
    kernel = kernel[:-1, :-1]
    return np.asarray(kernel / kernel.sum(), np.float32)


def _recropped(images: Images, squares: NDArray[np.float32] | None, side: int) -> Images:
    """The square of each image (the whole of it for None), cut as the live engine does, (N, side, side)."""
    contract = replace(fer2013_contract(), size=side)
    wanted = whole_image_squares(images) if squares is None else squares
    crops = [crop_faces(image, square[None], contract)[0, 0] for image, square in zip(images, wanted, strict=True)]
    return np.stack(crops) if crops else np.empty((0, side, side), np.uint8)


def _each(images: Images, change: Callable[[Images], Any]) -> Images:
    return _stacked([change(image) for image in images], images)


def _stacked(changed: list[Any], like: Images) -> Images:
    return np.asarray(np.stack(changed), np.uint8) if changed else like.copy()


def _grey(values: NDArray[np.float64]) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CORRUPTIONS = (
    Corruption(
        "size", "face size", "px", 48, (40, 32, 28, 24, 20, 16, 12), shrink,
        "shrunk to so many pixels a side and enlarged again, as the live engine enlarges a small face", target=24,
    ),
    Corruption("blur", "out of focus", "px", 0, (0.5, 1, 1.5, 2, 3), blur, "Gaussian blur; standard deviation"),
    Corruption(
        "motion", "motion blur", "px", 1, (3, 5, 7, 9, 13), motion, "smeared along a straight path, any direction"
    ),
    Corruption("gamma", "dark mid-tones", "exponent", 1, (1.5, 2, 3, 4), gamma, "grey levels to this power"),
    Corruption(
        "low_light", "low light", "stops", 0, (1, 2, 3, 4, 5), low_light,
        "halvings of the light, with a small sensor's shot and read noise",
    ),
    Corruption("noise", "noise", "grey levels", 0, (5, 10, 15, 20, 30), noise, "Gaussian, standard deviation, of 255"),
    Corruption(
        "jpeg", "JPEG", "quality", 100, (90, 70, 50, 30, 20, 10), jpeg,
        "the 48 px face compressed; 100 stands for none", target=30,
    ),
    Corruption("contrast", "contrast", "% left", 100, (75, 50, 25, 10), contrast, "faded towards the image's mean"),
    Corruption(
        "colour", "colours of video", "levels of chroma", 0, (10, 20, 40, 60), colour,
        "a coloured face as the luma of HD video; skin is some 20 levels off grey",
    ),
    Corruption(
        "rotation", "roll", "degrees", 0, (5, 10, 15, 20, 30, 45), rotation,
        "turned either way, not levelled; corners repeat the edge", target=15,
    ),
    Corruption(
        "jitter", "crop jitter", "+- % of the side", 0, (5, 10, 15, 20), jitter,
        "a detector that misses: shifted and scaled at random up to this", target=10,
    ),
    Corruption("glasses", "bar over the eyes", "% of the side", 0, (5, 10, 15, 20, 25), glasses, "dark, its height"),
    Corruption("hand", "hand over the mouth", "% of the side", 0, (15, 25, 35, 45), hand, "face-grey, its height"),
)  # fmt: skip
"""All corruptions, in the order of a report."""
