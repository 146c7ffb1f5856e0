"""Whatever kind of image file it is: the picture comes out as it is meant to be seen, or one line says why not."""

import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from fer_live.errors import SourceError
from fer_live.realtime.photos import picture
from fer_live.realtime.photos.picture import read_picture

RED, GREEN, BLUE, WHITE = (200, 30, 60), (0, 200, 0), (10, 20, 220), (255, 255, 255)
HEIC = Path(__file__).with_name("green_corner.heic")

# By EXIF's orientation: what was done to the upright picture before it was stored, (H, W, 3) to (H, W, 3).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def corners(width: int = 96, height: int = 64) -> np.ndarray:
    """RGB with another colour in each quarter: no turn and no mirroring leaves it as it is."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2], rgb[: height // 2, width // 2 :] = GREEN, RED
    rgb[height // 2 :, : width // 2], rgb[height // 2 :, width // 2 :] = BLUE, WHITE
    return rgb


def assert_alike(bgr: np.ndarray, rgb: np.ndarray, most: int = 12) -> None:
    assert bgr.dtype == np.uint8 and bgr.flags.c_contiguous and bgr.shape == rgb.shape
    # Away from the edges, where lossy formats blur.
    height, width = rgb.shape[:2]
    for row in (height // 4, 3 * height // 4):
        for column in (width // 4, 3 * width // 4):
            assert np.abs(bgr[row, column, ::-1].astype(int) - rgb[row, column]).max() <= most


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_comes_upright(orientation: int, kind: str, encoded) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](corners()))
    assert_alike(read_picture(encoded(stored, kind, exif=exif)), corners())


def test_heic_comes_upright() -> None:
    pytest.importorskip("pi_heif")
    bgr = read_picture(HEIC)
    assert bgr.shape == (96, 64, 3)
    assert np.abs(bgr[10, -10].astype(int) - (0, 200, 0)).max() < 12
    assert np.abs(bgr[-10, 10].astype(int) - (60, 30, 200)).max() < 12


def test_heic_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    picture._open_heif.cache_clear()
    try:
        with pytest.raises(SourceError, match=r"green_corner.heic: .*fer-live\[heic\]"):
            read_picture(HEIC)
    finally:
        picture._open_heif.cache_clear()


@pytest.mark.parametrize(
    ("mode", "kind"), [("P", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("RGBA", "WEBP")]
)
def test_other_kinds_of_pixels(mode: str, kind: str, encoded) -> None:
    assert_alike(read_picture(encoded(Image.fromarray(corners()).convert(mode), kind)), corners(), most=40)


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("LA", "PNG")])
def test_grey_becomes_three_equal_channels(mode: str, kind: str, encoded) -> None:
    bgr = read_picture(encoded(Image.fromarray(corners()).convert("L").convert(mode), kind))
    assert bgr.shape == (64, 96, 3) and (bgr == bgr[:, :, :1]).all() and bgr[-1, -1, 0] > 250


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits(suffix: str, channels: int) -> None:
    levels = np.full((20, 30, channels), (0x1000, 0x8000, 0xF000)[:channels], np.uint16)
    data = cv2.imencode(suffix, levels)[1].tobytes()
    expected = (0x10, 0x80, 0xF0) if channels == 3 else (0x10,) * 3
    assert (read_picture(data) == expected).all()


def test_transparent_pixels_are_on_white(encoded) -> None:
    rgba = np.dstack([corners(), np.full((64, 96), 255, np.uint8)])
    rgba[:, :48, 3], rgba[:, 48:, 3] = 0, 128
    bgr = read_picture(encoded(rgba, "PNG"))
    assert (bgr[:, :48] == 255).all()
    assert np.abs(bgr[0, -1, ::-1].astype(int) - (np.array(RED) + 255) / 2).max() <= 1
    palette = Image.fromarray(corners()).quantize(8)
    shown = read_picture(encoded(palette, "PNG", transparency=palette.getpixel((0, 0))))
    assert (shown[0, 0] == 255).all() and shown[0, -1].tolist() != [255, 255, 255]


def test_a_profile_is_applied_and_a_broken_one_is_not(encoded) -> None:
    # Red and blue change places in this profile: whoever applies it changes them back.
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(128 + 4, len(swapped), 12):
        if swapped[at : at + 4] == b"rXYZ":
            red = at
        elif swapped[at : at + 4] == b"bXYZ":
            blue = at
            break
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    name = swapped.find("sRGB".encode("utf-16-be"))
    swapped[name : name + 8] = "swap".encode("utf-16-be")
    plain = encoded(corners(), "PNG")
    turned = read_picture(encoded(corners(), "PNG", icc_profile=bytes(swapped)))
    assert np.abs(turned.astype(int) - read_picture(plain)[:, :, ::-1]).max() <= 3
    for odd in (b"rubbish" * 30, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()):
        assert (read_picture(encoded(corners(), "PNG", icc_profile=odd)) == read_picture(plain)).all()


def test_the_first_of_several_pictures_that_do_not_move(encoded) -> None:
    for kind in ("MPO", "TIFF"):
        data = encoded(Image.fromarray(corners()), kind, save_all=True, append_images=[Image.new("RGB", (96, 64))])
        assert_alike(read_picture(data), corners())


def png_of(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 999)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"these are words\n" * 9, "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (b"\xff\x0a" + bytes(99), "JPEG XL"),
        (png_of(20_000, 10_000), "too large"),
        (png_of(60_000, 60_000), "too large"),
        (png_of(500, 500), "damaged or cut off"),
    ],
)
def test_what_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=f"^photo: .*{words}") as caught:
        read_picture(data, "photo")
    assert "\n" not in str(caught.value)


def test_animations_and_measured_values_are_no_photos(encoded) -> None:
    more = {"save_all": True, "append_images": [Image.new("RGB", (96, 64))]}
    for kind in ("GIF", "PNG", "WEBP"):
        with pytest.raises(SourceError, match=r"animation.*--video"):
            read_picture(encoded(Image.fromarray(corners()), kind, **more))
    with pytest.raises(SourceError, match="of the kind F"):
        read_picture(encoded(np.zeros((9, 9), np.float32), "TIFF"))


def test_the_limit_can_be_lower(encoded) -> None:
    data = encoded(corners(), "PNG")
    assert read_picture(data, most_pixels=96 * 64).shape == (64, 96, 3)
    with pytest.raises(SourceError, match=r"96x64; scale it to 6,143 pixels"):
        read_picture(data, most_pixels=96 * 64 - 1)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.jpg", "no such file"), (tmp_path, "folder")):
        with pytest.raises(SourceError, match=words):
            read_picture(path)


FILES = {kind: None for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "PPM")}


@settings(max_examples=120)
@given(kind=st.sampled_from(sorted(FILES)), data=st.data())
def test_a_damaged_file_is_read_or_refused(kind: str, data: st.DataObject, encoded) -> None:
    whole = FILES[kind] = FILES[kind] or encoded(corners(), kind)
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3)) if broken else 0):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        bgr = read_picture(bytes(broken), most_pixels=1_000_000)
    except SourceError as error:
        assert str(error).startswith("picture: ")
    else:
        assert bgr.ndim == 3 and bgr.shape[2] == 3 and bgr.dtype == np.uint8


def test_files_that_are_not_read_into_memory(tmp_path: Path) -> None:
    """A video given as a photo, and what never ends."""
    (tmp_path / "film.mkv").touch()
    os.truncate(tmp_path / "film.mkv", 2**33)
    with pytest.raises(SourceError, match=r"film\.mkv: is too large for a photo, 8,589,934,592 bytes; .*--video"):
        read_picture(tmp_path / "film.mkv")
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(SourceError, match="is no ordinary file"):
            read_picture(tmp_path / "pipe.jpg")
