"""Image files as they are meant to be seen: upright, in sRGB, eight bits a channel."""

from __future__ import annotations

import io
import stat
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from fer_live.cli_errors import one_line
from fer_live.errors import SourceError

__all__ = ["MOST_PIXELS", "PHOTO_SUFFIXES", "Pixels", "read_picture"]

Pixels = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR, sRGB."""

MOST_PIXELS = 2**27
"""A picture of more is refused: 134 megapixels take half a gigabyte here, and no camera in a pocket has more of use."""

_MOST_BYTES = 8 * MOST_PIXELS
"""Of a file, for it is in memory as a whole: as many as the largest picture has with four channels of 16 bits."""

PHOTO_SUFFIXES = frozenset(
    {".avif", ".bmp", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".jxl", ".pgm", ".png", ".pnm", ".ppm", ".tif"}
    | {".tiff", ".webp"}
)
"""Of the files in a folder that are taken for photos; one that turns out not to be readable is told."""

# Named, since Pillow's other formats run programs (EPS) or have no photos in them.
_FORMATS = ["AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"]
_MOVING = ("GIF", "PNG", "WEBP")
_NO_PHOTOS = ("F", "HSV", "LAB")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevx", b"mif1", b"msf1")
_ORIENTATION = 0x0112
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation (CIPA DC-008, tag 0112): what brings the picture upright."""


def read_picture(source: Path | bytes, name: str | None = None, *, most_pixels: int = MOST_PIXELS) -> Pixels:
    """Decode an image file: (H, W, 3) uint8 BGR in sRGB, turned and mirrored as its EXIF data say.

    An embedded ICC profile is applied, so that colours are right; transparent pixels are on white; grey, palettes, CMYK
    and 16 bits become eight bits of BGR. Of a file with several pictures (MPO, TIFF) it is the first one. Nothing else
    that the file holds (place, time, camera, thumbnail) is kept.

    Args:
        source: the file, or its bytes.
        name: for messages; None for the path, "picture" for bytes.
        most_pixels: a larger picture is refused before it is decoded.

    Raises:
        SourceError: it cannot be read, is none, is damaged or cut off, moves, or is too large.
    """
    name = name or (str(source) if isinstance(source, Path) else "picture")
    data = _bytes(source, name) if isinstance(source, Path) else source
    try:
        with warnings.catch_warnings():
            # Of Pillow's about large pictures (the limit is ours) and about damaged metadata, which nobody needs here.
            warnings.simplefilter("ignore")
            with _opened(data, name) as image:
                _check(image, name, most_pixels)
                image.load()
                return _as_bgr(_upright(image))
    except SourceError:
        raise
    except UnidentifiedImageError as error:
        raise SourceError(f"{name}: {_no_picture(data)}") from error
    except Image.DecompressionBombError as error:
        raise SourceError(f"{name}: is too large; scale it to {most_pixels:,} pixels or less") from error
    except MemoryError as error:
        raise SourceError(f"{name}: there is not enough memory for it; scale it down") from error
    except Exception as error:  # its plugins raise OSError, SyntaxError, ValueError, struct.error, … of broken files
        raise SourceError(f"{name}: is damaged or cut off ({one_line(error)})") from error


def _bytes(path: Path, name: str) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise SourceError(f"{name}: is a folder")
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{name}: is no ordinary file but a pipe or device; give an image file")
        if found.st_size > _MOST_BYTES:
            raise SourceError(f"{name}: is too large for a photo, {found.st_size:,} bytes; give a video with --video")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(f"{name}: no such file; check the path") from error
    except OSError as error:
        raise SourceError(f"{name}: cannot be read ({error.strerror or error})") from error


def _opened(data: bytes, name: str) -> Image.Image:
    _open_heif()
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and not _open_heif() and b"avif" not in data[8:64]:
        raise SourceError(f"{name}: to read HEIC: pip install 'fer-live[heic]'; or save it as JPEG")
    return Image.open(io.BytesIO(data), formats=[each for each in _FORMATS if each in _known_formats()])


@cache
def _open_heif() -> bool:
    """Let Pillow read HEIC where the extra is installed; whether it does."""
    try:
        import pi_heif
    except ModuleNotFoundError:
        return False
    pi_heif.register_heif_opener()
    return True


@cache
def _known_formats() -> frozenset[str]:
    Image.init()
    return frozenset(Image.OPEN)


def _no_picture(data: bytes) -> str:
    if not data:
        return "is empty"
    if data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return "JPEG XL is not read; save it as JPEG or PNG"
    return "is no picture that can be read: give JPEG, PNG, WebP, AVIF, TIFF, BMP or HEIC"


def _check(image: Image.Image, name: str, most_pixels: int) -> None:
    width, height = image.size
    if width * height > most_pixels:
        raise SourceError(f"{name}: is too large, {width}x{height}; scale it to {most_pixels:,} pixels or less")
    if image.format in _MOVING and getattr(image, "is_animated", False):
        raise SourceError(f"{name}: is an animation; give it as a video (--video)")
    if image.mode in _NO_PHOTOS:
        raise SourceError(f"{name}: its pixels are of the kind {image.mode}, not a photo's; save it as PNG or JPEG")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = _TURNED.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata of a picture that is whole
        turned = None
    return image if turned is None else image.transpose(turned)


def _as_bgr(image: Image.Image) -> Pixels:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode == "I":
        image = _eight_bits(image)
    if image.mode in ("LA", "La", "PA", "RGBa") or (image.mode == "P" and "transparency" in image.info):
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB" if image.mode == "P" else "L")
    elif "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        on_white = Image.new("RGBA", image.size, "white")
        on_white.alpha_composite(image)
        image = on_white.convert("RGB")
    image = _in_srgb(image, profile)
    rgb = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey, which ``convert`` would cut off at 255."""
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))


def _in_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """The picture in sRGB where its profile says what its numbers mean and fits them; else as it is."""
    if not isinstance(profile, bytes):
        return image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = own.profile.xcolor_space.strip()
        if {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}.get(image.mode) != space:
            return image
        if space == "RGB" and "sRGB" in ImageCms.getProfileDescription(own):
            return image
        turned = ImageCms.profileToProfile(image, own, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return image  # a broken profile: what most viewers do
    return image if turned is None else turned


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
