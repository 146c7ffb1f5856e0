"""``fer_live.open``: every result of a file, in order; whatever ends it, all is closed and what it wrote is whole."""

import csv
import gc
import json
import logging
import threading
import weakref
from dataclasses import asdict
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fer_live
from fer_live.errors import FerLiveError, ModelError, SinkError, SourceError
from fer_live.realtime.photos.picture import read_picture
from fer_live.realtime.testing.fakes import make_clip, read_index

SAMPLES = Path(__file__).parents[3] / "samples"
FEW = 9
PHOTO, CLIP = SAMPLES / "astronaut.jpg", SAMPLES / "astronaut.mp4"


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames that show their own index, and no face."""
    path = tmp_path_factory.mktemp("clips") / "numbered.mp4"
    make_clip(path, frames=200, size_wh=(160, 120), fps=25)
    return path


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fer-live")]


def test_every_frame_comes_once_in_order(numbered: Path) -> None:
    run = fer_live.open(numbered)
    assert (run.name, run.length, run.written) == (str(numbered), 200, ())
    seen = [(result.index, read_index(result.rgb()[:, :, 1]), result.time_s) for result in run]
    assert [index for index, _, _ in seen] == [shown for _, shown, _ in seen] == list(range(200))
    assert [time_s for _, _, time_s in seen] == pytest.approx([float(Fraction(index, 25)) for index in range(200)])


@pytest.mark.parametrize("kept", [False, True])
def test_codecs_and_models_go_when_the_run_ends(kept: bool, numbered: Path, tmp_path: Path) -> None:
    """Not when the garbage collector comes, which knows nothing of their memory; nor when the program lets go."""
    gc.collect()
    gc.disable()
    try:
        run = fer_live.open(numbered, out=tmp_path / "out.mp4")
        session = run._engine._session
        held = [weakref.ref(each) for each in (session, session.source, session.video, session.classifier)]
        for _ in run:
            pass
        del session
        if not kept:
            del run
        assert [each() for each in held] == [None] * len(held)
    finally:
        gc.enable()


def test_what_a_face_tells() -> None:
    run = fer_live.open(str(CLIP))
    results = list(islice(run, 30))
    assert all(result.size_wh == results[0].rgb().shape[1::-1] for result in results)
    (face,) = results[-1].faces
    assert face.label == "happy" and face.uncertain is None and face.probabilities["happy"] > 0.5
    assert tuple(face.probabilities) == tuple(face.raw) == run.labels
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    left, top, right, bottom = face.box
    assert 0 < left < right and 0 < top < bottom and 0.7 < face.score <= 1
    assert {face.track for result in results for face in result.faces} == {1}
    assert json.loads(json.dumps(asdict(face)))["label"] == "happy"
    assert "1 faces: happy" in repr(results[-1])


def test_pictures_are_bare_and_the_output_is_drawn_on(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    bare = [result.rgb() for result in islice(fer_live.open(CLIP), FEW)]
    run = fer_live.open(CLIP, out=out, crf=10)
    for before, result in zip(bare, run, strict=False):
        assert (result.rgb() == before).all()
        drawn = result.annotated()
        assert (drawn != before).any() and drawn.shape == before.shape and (result.rgb() == before).all()
    run.close()
    assert run.written == (out,)
    (written,) = [result.rgb().astype(int) for result in islice(fer_live.open(out), FEW - 1, FEW)]
    assert np.abs(written - drawn).mean() < np.abs(written - bare[-1]).mean()


def test_data_are_written_and_the_same_as_what_is_given(tmp_path: Path) -> None:
    tables = [tmp_path / "a.csv", tmp_path / "b.jsonl"]
    results = list(fer_live.open(CLIP, save=tables, events=str(tmp_path / "e.vtt"), smooth=False, detect_size=320))
    with tables[0].open() as file:
        rows = list(csv.DictReader(file))
    faces = [face for result in results for face in result.faces]
    assert [float(row["smoothed_happy"]) for row in rows] == [face.probabilities["happy"] for face in faces]
    assert [float(row["left_px"]) for row in rows] == [face.box[0] for face in faces]
    assert all(face.probabilities == face.raw for face in faces)
    assert tables[1].exists() and (tmp_path / "e.vtt").exists()


@pytest.mark.parametrize("how", ["break", "error", "close", "never begun", "half a generator"])
def test_left_early_all_is_closed_and_what_was_written_is_whole(how: str, numbered: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"

    def leave() -> None:
        run = fer_live.open(numbered, out=out)
        if how == "never begun":
            run.close()
            return
        if how == "close":
            with run:
                for _ in run:
                    break
        if how == "half a generator":
            results = iter(run)
            next(results)
            run.close()
            run.close()
            assert list(results) == []
            return
        for result in run:
            if result.index == 20:
                if how == "error":
                    raise ZeroDivisionError
                break

    if how == "error":
        with pytest.raises(ZeroDivisionError):
            leave()
    elif how == "close":
        with pytest.raises(RuntimeError, match="once"):
            leave()
    else:
        leave()
    assert threads() == []
    if how == "never begun":
        assert list(tmp_path.iterdir()) == []
    else:
        assert list(tmp_path.iterdir()) == [out]
        indexes = [read_index(result.rgb()[:, :, 1]) for result in fer_live.open(out)]
        assert indexes == list(range(len(indexes))) and 1 <= len(indexes)


def test_a_run_that_is_dropped_is_closed(numbered: Path) -> None:
    results = iter(fer_live.open(numbered))
    next(results)
    assert threads()
    del results
    assert threads() == []


def test_once_only(numbered: Path) -> None:
    run = fer_live.open(numbered)
    assert len(list(run)) == 200
    with pytest.raises(RuntimeError, match="open it again"):
        iter(run)


def test_errors_of_a_run_are_raised_in_the_loop(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    make_clip(clip, frames=300, size_wh=(160, 120), fps=25)
    read = []
    with pytest.raises(ZeroDivisionError):
        for result in fer_live.open(clip):
            read.append(result)
            1 / (result.index - 5)
    assert len(read) == 6 and threads() == []


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        ("nowhere.mp4", {}, SourceError, "no such file"),
        (PHOTO.with_suffix(".none"), {}, SourceError, "no such file"),
        (CLIP, {"out": CLIP}, SinkError, "is the input"),
        (CLIP, {"model": "nowhere.onnx"}, ModelError, "no such file"),
        (CLIP, {"modle": "x"}, TypeError, "did you mean 'model'"),
        (CLIP, {"detect-size": 3}, TypeError, "did you mean 'detect_size'"),
        (CLIP, {"serve": True}, TypeError, "no option 'serve'"),
        (CLIP, {"device": "gpu"}, ValueError, "'device'.*'auto', 'cpu', 'cuda'"),
        (CLIP, {"threads": 0}, ValueError, "threads"),
        (CLIP, {"smooth": "no"}, ValueError, "True or False"),
        (CLIP, {"exact": True, "detect_every": 2}, ValueError, "doesn't go with detect_every"),
        (CLIP, {"camera": 0}, ValueError, "give one of"),
        (CLIP, {"target_latency": 40}, SourceError, "not live"),
        (PHOTO, {"events": "x.vtt"}, ValueError, "events doesn't go with image"),
        (None, {}, ValueError, "needs a source"),
    ],
)
def test_what_cannot_be(source, options: dict[str, object], error: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words) as caught:
        fer_live.open(source, **options)
    assert "--" not in str(caught.value) or isinstance(caught.value, FerLiveError)
    assert threads() == [] and list(tmp_path.iterdir()) == []


def test_options_mean_what_they_mean_on_the_command_line(numbered: Path) -> None:
    """Nothing is taken from a settings file, and None is as if not given."""
    with fer_live.open(video=numbered, detector=None, detect_size=320, fps=None) as run:
        assert run.length == 200
    with pytest.raises(SourceError, match="frame rate"):
        fer_live.open(numbered, fps=Fraction(30))


def test_a_folder_of_photos_leaves_out_what_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    Image.open(PHOTO).save(photos / "10.png")
    Image.open(PHOTO).rotate(180).save(photos / "9.png")
    (photos / "1.jpg").write_bytes(b"no")
    run = fer_live.open(photos, out=out, save=tmp_path / "faces.csv")
    with caplog.at_level(logging.WARNING, "fer_live"):
        results = list(run)
    assert [(Path(result.name).name, result.index, result.time_s) for result in results] == [
        ("9.png", 1, None),
        ("10.png", 2, None),
    ]
    assert list(run.failures) == ["1.jpg"] and "1.jpg" in caplog.text and run.length == 3
    assert run.written == (out, tmp_path / "faces.csv") and {path.name for path in out.iterdir()} == {"9.png", "10.png"}
    with pytest.raises(SourceError, match="no picture"):
        list(fer_live.open(image=photos / "1.jpg"))


def test_photos_left_early_are_whole_until_then(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        Image.open(PHOTO).save(photos / name)
    for _ in fer_live.open(photos, save=tmp_path / "faces.csv"):
        break
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 2
    manifest = json.loads((tmp_path / "faces.csv.manifest.json").read_text())
    assert manifest["exit_state"] == "interrupted"


def test_photos_from_bytes_pixels_and_paths_are_the_same() -> None:
    rgb = np.asarray(Image.open(PHOTO).convert("RGB"))
    with fer_live.Photos() as photos:
        found = [photos.read(given) for given in (PHOTO, str(PHOTO), PHOTO.read_bytes(), rgb)]
        assert len({result.faces[0].box for result in found}) == 1
        assert [result.name for result in found[1:3]] == [str(PHOTO), "picture"]
        assert (found[0].rgb() == rgb).all() and found[0].time_s is None
        assert (found[0].annotated() != rgb).any() and photos.labels[0] == "angry"
        for odd in (rgb[:, :, 0], rgb.astype(float)):
            with pytest.raises(ValueError, match="pixels must be"):
                photos.read(odd)
        with pytest.raises(SourceError, match=r"letter\.txt: is no picture"):
            photos.read(b"Dear Sir", name="letter.txt")
    with pytest.raises(ValueError, match="closed"):
        photos.read(PHOTO)
    with pytest.raises(SourceError, match="too large"), fer_live.Photos(most_pixels=100) as small:
        small.read(PHOTO)
    with pytest.raises(TypeError, match="no option 'out'"):
        fer_live.Photos(out="x.jpg")
    for option, value in (("detect_every", 3), ("compare", "other.onnx"), ("calibrate", 5), ("fps", 3)):
        with pytest.raises(ValueError, match=f"{option} doesn't go with image"):
            fer_live.Photos(**{option: value})


def test_photos_are_read_from_many_threads() -> None:
    found: list[tuple[float, ...]] = []
    with fer_live.Photos() as photos:
        workers = [threading.Thread(target=lambda: found.append(photos.read(PHOTO).faces[0].box)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(found) == 4 and len(set(found)) == 1


def test_heads_are_covered_where_asked() -> None:
    with fer_live.Photos(anonymise="box") as photos:
        result = photos.read(PHOTO)
    left, top, right, bottom = map(int, result.faces[0].box)
    assert (result.rgb()[top:bottom, left:right] == result.rgb()[top, left]).all()
    frames = [result.rgb() for result in islice(fer_live.open(CLIP, anonymise="box"), FEW)]
    plain = [result.rgb() for result in islice(fer_live.open(CLIP), FEW)]
    assert all((covered != bare).any() for covered, bare in zip(frames, plain, strict=True))
    assert read_picture(PHOTO).shape == result.rgb().shape


def test_names_of_the_package_are_all_there() -> None:
    for name in fer_live.__all__:
        assert getattr(fer_live, name) and name in dir(fer_live)
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        fer_live.opne  # noqa: B018
