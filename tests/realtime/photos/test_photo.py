"""A photo's faces are found and read, each photo for itself, and what is drawn leaves the rest as it was."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_live.errors import SinkError, SourceError
from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.detectors.yunet import YuNetDetector
from fer_live.realtime.inference.classifier import OnnxClassifier
from fer_live.realtime.photos.annotated import annotate_photo, encode_picture, save_picture
from fer_live.realtime.photos.photo import Photo, analyse_photo, open_head_detector
from fer_live.realtime.photos.picture import read_picture
from fer_live.realtime.view.options import ViewOptions

# The private tags that a phone writes: where, when, with what, and a small copy of the picture.
MAKER, GPS = 0x010F, 0x8825


@pytest.fixture(scope="module")
def photo(sample: Path, detector, classifier: OnnxClassifier) -> Photo:
    return analyse_photo(sample, detector, classifier)


def test_reads_the_face_of_the_sample(photo: Photo) -> None:
    assert len(photo.faces) == 1 and photo.result.track_ids.tolist() == [1]
    said = photo.expressions
    assert said.raw.labels[said.shown[0]] == "happy" and said.doubts == (None,)
    assert said.fresh.all() and (said.raw.probabilities == said.smoothed.probabilities).all()


def test_bytes_pixels_and_path_are_the_same_picture(photo: Photo, sample: Path, detector, classifier) -> None:
    for given in (sample.read_bytes(), read_picture(sample)):
        again = analyse_photo(given, detector, classifier, name="again", index=3, first_number=8)
        assert (again.image == photo.image).all() and again.name == "again" and again.result.frame.index == 3
        assert (again.faces.xyxy == photo.faces.xyxy).all() and again.result.track_ids.tolist() == [8]
        assert (again.expressions.raw.probabilities == photo.expressions.raw.probabilities).all()


def test_a_picture_on_its_side_is_read_as_upright(photo: Photo, detector, classifier, encoded) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.ascontiguousarray(np.rot90(photo.image[:, :, ::-1]))
    turned = analyse_photo(encoded(lying, "PNG", exif=exif), detector, classifier)
    assert (turned.image == photo.image).all() and (turned.faces.xyxy == photo.faces.xyxy).all()


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 700), (65, 33)])
def test_pictures_without_faces_of_any_size(size_wh: tuple[int, int], detector, classifier) -> None:
    grey = np.full((*size_wh[::-1], 3), 90, np.uint8)
    photo = analyse_photo(grey, detector, classifier)
    assert len(photo.faces) == len(photo.expressions) == 0
    assert (annotate_photo(photo) == grey).all()


def test_what_is_no_picture(detector, classifier) -> None:
    with pytest.raises(SourceError, match=r"letter\.jpg: is no picture"):
        analyse_photo(b"Dear Sir", detector, classifier, name="letter.jpg")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "faces"), [("solvay_1927.jpg", 29), ("two_people.jpg", 2), ("obama_720p.jpg", 1), ("astronaut.png", 1)]
)
def test_every_face_and_no_other(
    name: str, faces: int, shared_media: Callable[[str], Path], detector, classifier: OnnxClassifier
) -> None:
    found = analyse_photo(shared_media(name), detector, classifier).faces
    assert len(found) == faces
    # Nothing that was hardly taken for one: at the limit of 0.7 a false alarm would be near.
    assert found.score.min() > 0.85


@pytest.mark.data
@pytest.mark.parametrize("scale", [0.3, 1.2])
def test_every_face_of_a_smaller_and_a_larger_picture(
    scale: float, shared_media: Callable[[str], Path], detector, classifier: OnnxClassifier
) -> None:
    """The larger one is searched in tiles."""
    image = Image.open(shared_media("solvay_1927.jpg"))
    size = round(image.width * scale), round(image.height * scale)
    rgb = np.asarray(image.resize(size, Image.Resampling.LANCZOS).convert("RGB"))
    found = analyse_photo(np.ascontiguousarray(rgb[:, :, ::-1]), detector, classifier).faces
    assert len(found) == 29


def test_draws_on_a_copy_and_near_faces_only(photo: Photo) -> None:
    before, luma = photo.image.copy(), photo.result.frame.y.copy()
    drawn = annotate_photo(photo)
    assert (photo.image == before).all() and (photo.result.frame.y == luma).all()
    changed = (drawn != before).any(axis=2)
    left, top, right, bottom = photo.faces.xyxy[0].astype(int)
    assert changed[top + 1, left + 5 : right - 5].mean() > 0.9  # the box's edge
    reach = 2 * (right - left)
    changed[max(0, top - reach) : bottom + reach, max(0, left - reach) : right + reach] = False
    assert not changed.any()


def test_heads_are_covered_where_asked(photo: Photo, detector, classifier: OnnxClassifier) -> None:
    left, top, right, bottom = photo.faces.xyxy[0].astype(int)
    inside = (slice(top + 20, bottom - 20), slice(left + 20, right - 20))
    assert (annotate_photo(photo)[inside] == photo.image[inside]).all()
    with open_head_detector() as head_detector:
        private = analyse_photo(photo.image, detector, classifier, head_detector=head_detector)
    covered = annotate_photo(private, ViewOptions(anonymise="box", notice=True))
    assert (covered[inside] == covered[inside][0, 0]).all()
    assert (covered[-10:, :60] != annotate_photo(photo)[-10:, :60]).any()  # the notice


def test_nothing_is_shown_where_nobody_looked_for_heads(photo: Photo) -> None:
    with pytest.raises(ValueError, match="nobody looked"):
        annotate_photo(photo, ViewOptions(anonymise="blur"))


def test_a_face_that_the_detector_does_not_see_is_covered(photo: Photo, classifier: OnnxClassifier) -> None:
    with open_head_detector() as head_detector, YuNetDetector(min_score=1.0) as blind:
        private = analyse_photo(photo.image, blind, classifier, head_detector=head_detector)
    left, top, right, bottom = photo.faces.xyxy[0].astype(int)
    covered = annotate_photo(private, ViewOptions(anonymise="box"))[top:bottom, left:right]
    assert len(private.faces) == 0 and (covered == covered[0, 0]).all()


def test_what_one_scale_alone_shows_is_covered_too(detector, classifier: OnnxClassifier) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)

    class Doubtful(YuNetDetector):
        """Sees something like a face on the finest copy alone."""

        def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
            box, square = np.array([[200, 100, 300, 200]], np.float32), np.array([[250, 150, 100, 0]], np.float32)
            seen = Faces(box, np.array([0.4], np.float32), square)
            return seen if detect_size == 600 else Faces.empty()

    with Doubtful() as doubtful:
        private = analyse_photo(picture, detector, classifier, head_detector=doubtful)
    covered = annotate_photo(private, ViewOptions(anonymise="box"))[100:200, 200:300]
    assert len(private.faces) == 0 and (covered == covered[0, 0]).all()


def test_a_png_loses_nothing_and_a_jpeg_little(photo: Photo) -> None:
    assert (read_picture(encode_picture(photo.image, ".png")) == photo.image).all()
    jpeg = encode_picture(photo.image, ".jpg")
    assert np.abs(read_picture(jpeg).astype(int) - photo.image).mean() < 2
    opened = Image.open(io.BytesIO(jpeg))
    assert {component[1:3] for component in opened.layer} == {(1, 1)}  # 4:4:4


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_nothing_private_of_the_input_reaches_the_output(
    suffix: str, photo: Photo, tmp_path: Path, detector, classifier, encoded
) -> None:
    exif = Image.Exif()
    exif[MAKER] = "A telltale camera"
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (48.0, 51.0, 30.0)
    private = encoded(photo.image[:, :, ::-1], "JPEG", exif=exif, comment=b"A telltale comment")
    assert Image.open(io.BytesIO(private)).getexif().get_ifd(GPS)
    analysed = analyse_photo(private, detector, classifier)
    target = save_picture(annotate_photo(analysed), tmp_path / f"out{suffix}")
    written = Image.open(io.BytesIO(target.read_bytes()))
    assert dict(written.getexif()) == {} and b"telltale" not in target.read_bytes()
    assert set(written.info) <= {"icc_profile", "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    assert b"sRGB" in written.info["icc_profile"].replace(b"\0", b"")


def test_the_same_photo_gives_the_same_file(photo: Photo) -> None:
    for suffix in (".jpg", ".png"):
        assert encode_picture(annotate_photo(photo), suffix) == encode_picture(annotate_photo(photo), suffix)


def test_targets_are_replaced_whole_or_left(photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, source = tmp_path / "out.png", tmp_path / "in.png"
    target.write_text("older")
    source.write_text("the photo")
    with pytest.raises(SinkError, match="is the input"):
        save_picture(photo.image, source, source)
    with pytest.raises(ValueError, match="suffix"):
        save_picture(photo.image, tmp_path / "out.gif")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(SinkError, match="No space left"):
            save_picture(photo.image, target, source)
    assert target.read_text() == "older" and sorted(tmp_path.iterdir()) == [source, target]
    assert save_picture(photo.image, target, source) == target
    assert (read_picture(target) == photo.image).all() and sorted(tmp_path.iterdir()) == [source, target]


def test_a_photo_cannot_be_changed(photo: Photo) -> None:
    with pytest.raises(AttributeError):
        photo.name = "other"  # type: ignore[misc]
    assert replace(photo, name="other").image is photo.image
