import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.errors import DataError
from fer_live.training.data import fer2013 as data_module
from fer_live.training.data import ferplus as ferplus_module
from fer_live.training.data.fer2013 import Fer2013, Usage, load_fer2013
from fer_live.training.data.ferplus import ferplus_distribution, ferplus_majority, image_hashes, main
from fer_live.training.testing import synthetic_fer2013


def pixels(image: np.ndarray) -> str:
    return " ".join(map(str, image.ravel().tolist()))


def write_csv(path: Path, dataset: Fer2013) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for image, label, usage in zip(dataset.images, dataset.expression, dataset.usage, strict=True):
            writer.writerow([label, pixels(image), Usage(usage).name])
    return path


def write_icml(path: Path, dataset: Fer2013) -> Path:
    lines = ["emotion, Usage, pixels"]
    for image, label, usage in zip(dataset.images, dataset.expression, dataset.usage, strict=True):
        lines.append(f"{label}, {Usage(usage).name}, {pixels(image)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_folders(path: Path, dataset: Fer2013, suffix: str = ".png") -> Path:
    for split in ("train", "test"):
        for label in FER2013_LABELS:
            (path / split / label).mkdir(parents=True)
    for number, (image, label, usage) in enumerate(zip(dataset.images, dataset.expression, dataset.usage, strict=True)):
        split = "train" if usage == Usage.Training else "test"
        cv2.imwrite(str(path / split / FER2013_LABELS[label] / f"{number:05}{suffix}"), image)
    return path


def write_npz(path: Path, dataset: Fer2013, **more: np.ndarray) -> Path:
    np.savez(path, images=dataset.images, emotion=dataset.expression, usage=dataset.usage, **more)
    return path


@pytest.fixture(scope="module")
def small() -> Fer2013:
    return synthetic_fer2013(140, seed=3)


@pytest.fixture
def known(small: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fer2013:
    """The bundled FER+ table, replaced by one of the small data set."""
    votes = small.votes.copy()
    write_npz(tmp_path / "source.npz", small, ferplus_votes=votes)
    monkeypatch.setattr(ferplus_module, "_SLIPS", (5, 6))
    assert main([str(tmp_path / "source.npz"), str(tmp_path / "table.npz")]) == 0
    with np.load(tmp_path / "table.npz") as arrays:
        table = arrays["sha256_64"], arrays["usage"], arrays["votes"]
    for module in (data_module, ferplus_module):
        monkeypatch.setattr(module, "ferplus_table", lambda: table)
    votes[[5, 6]] = 0
    return Fer2013(small.images, small.expression, small.usage, votes)


def same(found: Fer2013, expected: Fer2013) -> None:
    order, expected_order = np.argsort(image_hashes(found.images)), np.argsort(image_hashes(expected.images))
    for name in ("images", "expression", "usage", "votes"):
        assert np.array_equal(getattr(found, name)[order], getattr(expected, name)[expected_order]), name


@pytest.mark.parametrize("write", [write_csv, write_icml])
def test_csv_editions_give_the_same(write, known: Fer2013, tmp_path: Path) -> None:
    ticks: list[int] = []
    found = load_fer2013(write(tmp_path / "fer2013.csv", known), ticks.append)
    same(found, known)
    assert np.array_equal(found.images, known.images)
    assert found.notes == ()


def test_npz_with_and_without_votes(known: Fer2013, small: Fer2013, tmp_path: Path) -> None:
    same(load_fer2013(write_npz(tmp_path / "a.npz", known)), known)
    same(load_fer2013(write_npz(tmp_path / "b.npz", known, ferplus_votes=small.votes)), known)


def test_folders_get_their_splits_and_votes_back(known: Fer2013, tmp_path: Path) -> None:
    found = load_fer2013(write_folders(tmp_path / "images", known))
    same(found, known)
    assert found.notes == ()


def test_a_byte_order_mark_and_upper_case_names_are_read(known: Fer2013, tmp_path: Path) -> None:
    text = write_csv(tmp_path / "fer2013.csv", known).read_text()
    (tmp_path / "FER2013.CSV").write_text(text, encoding="utf-8-sig")
    same(load_fer2013(tmp_path / "FER2013.CSV"), known)
    write_npz(tmp_path / "fer2013.npz", known).rename(tmp_path / "FER2013.NPZ")
    same(load_fer2013(tmp_path / "FER2013.NPZ"), known)


def test_the_table_of_votes_says_what_it_needs(
    small: Fer2013, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["one"]) == 2
    (tmp_path / "text.npz").write_text("no zip")
    write_npz(tmp_path / "lacking.npz", small)
    for name in ("none.npz", "text.npz", "lacking.npz"):
        assert main([str(tmp_path / name), str(tmp_path / "table.npz")]) == 1
        err = capsys.readouterr().err
        assert f"{name}: " in err
        assert "pickle" not in err
    assert not (tmp_path / "table.npz").exists()


def test_csv_without_usage_gets_its_splits_back(known: Fer2013, tmp_path: Path) -> None:
    rows = [f"{label},{pixels(image)}" for image, label in zip(known.images, known.expression, strict=True)]
    (tmp_path / "plain.csv").write_text("emotion,pixels\n" + "\n".join(rows) + "\n")
    same(load_fer2013(tmp_path / "plain.csv"), known)


def test_recompressed_folders_say_that_their_splits_are_unknown(known: Fer2013, tmp_path: Path) -> None:
    found = load_fer2013(write_folders(tmp_path / "images", known, ".jpg"))
    assert len(found.images) == len(known.images)
    assert (found.usage == Usage.Training).sum() == (known.usage == Usage.Training).sum()
    assert "not comparable" in found.notes[0]
    assert "no FER+ votes" in found.notes[1]
    assert not found.votes.any()


TESTS = ("PublicTest", "PrivateTest")
HEADER = "emotion,pixels,Usage\n"
GOOD = "3," + " ".join(["7"] * 2304) + ",Training\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns"),
        ("a,b\n", "expected the columns"),
        (HEADER, "no images"),
        (HEADER + GOOD + "9" + GOOD[1:], "line 3: emotion must be a whole number 0..6, found '9'"),
        (HEADER + GOOD + "x" + GOOD[1:], "line 3: emotion must be a whole number 0..6, found 'x'"),
        (HEADER + GOOD + "3,1 2 3,Training\n", "line 3: expected 2304 pixels, found 3"),
        (HEADER + GOOD.replace(" 7", " 256", 1), "line 2: pixels must be whole numbers 0..255, pixel 2 is '256'"),
        (HEADER + GOOD.replace(" 7", " -1", 1), "line 2: pixels must be whole numbers 0..255, pixel 2 is '-1'"),
        (HEADER + GOOD.replace(" 7", " x", 1), "line 2: pixels must be whole numbers 0..255, pixel 2 is 'x'"),
        (HEADER + GOOD.replace(" 7", " 1.5", 1), "pixel 2 is '1.5'"),
        (HEADER + GOOD + GOOD.replace("Training", "Test"), "line 3: Usage must be one of Training"),
        (HEADER + GOOD + "\n" + "3,7\n", "line 4: expected 3 columns, found 2"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_fer2013(path)
    assert str(path) in str(caught.value)


def test_a_huge_pixel_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(HEADER + GOOD.replace(" 7", f" {10**30}", 1))
    with pytest.raises(DataError, match=r"line 2: pixels must be whole numbers 0\.\.255, pixel 2 is '1000"):
        load_fer2013(tmp_path / "bad.csv")


def test_other_things_are_refused(tmp_path: Path, small: Fer2013) -> None:
    (tmp_path / "text.npz").write_text("no zip")
    (tmp_path / "data.parquet").write_text("x")
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, small.images)
    np.savez(tmp_path / "lacking.npz", images=small.images)
    np.savez(tmp_path / "float.npz", images=small.images / 255, emotion=small.expression, usage=small.usage)
    np.savez(tmp_path / "words.npz", images=small.images, emotion=small.expression, usage=["Training"] * 140)
    whole = write_npz(tmp_path / "whole.npz", small).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "objects.npz", images=np.array([{}], object), emotion=[0], usage=[0])
    np.savez(tmp_path / "label.npz", images=small.images, emotion=small.expression + 1, usage=small.usage)
    for name, message in (
        ("none.csv", "no such file"),
        ("text.npz", "not a readable"),
        ("array.npz", "not a readable"),
        ("data.parquet", "expected a .csv"),
        ("lacking.npz", "lacks emotion, usage"),
        ("float.npz", "must be uint8"),
        ("objects.npz", "not a readable"),
        ("words.npz", "usage must be integers"),
        ("cut.npz", "not a readable"),
        ("label.npz", "expressions must be 0..6"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            load_fer2013(tmp_path / name)
        assert "pickle" not in str(caught.value)
    with pytest.raises(DataError, match=r"xxx\.csv: File name too long"):
        load_fer2013(tmp_path / f"{'x' * 300}.csv")


def test_bad_folders_are_refused(tmp_path: Path, small: Fer2013) -> None:
    with pytest.raises(DataError, match="lacks the folder train/angry"):
        load_fer2013(tmp_path)
    folder = write_folders(tmp_path / "images", small)
    cv2.imwrite(str(folder / "test" / "sad" / "large.png"), np.zeros((50, 48), np.uint8))
    with pytest.raises(DataError, match=r"large.png: expected a 48x48 image, found 48x50"):
        load_fer2013(folder)
    (folder / "test" / "sad" / "large.png").write_text("no image")
    with pytest.raises(DataError, match=r"large.png: expected a 48x48 image, found no image"):
        load_fer2013(folder)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_that_was_cut_short_is_refused_by_name(suffix: str, tmp_path: Path, small: Fer2013) -> None:
    folder = write_folders(tmp_path / "images", small, suffix)
    cut = folder / "train" / "happy" / f"00003{suffix}"
    whole = cut.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 2):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"00003{suffix}: (cut short|expected a 48x48 image, found no image)"):
            load_fer2013(folder)
    cut.write_bytes(whole + b"\0\0more")  # what stands behind the end harms nobody
    assert len(load_fer2013(folder).images) == len(small.images)


def test_a_folder_that_lacks_images_says_how_many(known: Fer2013, tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "images", known)
    for path in sorted(folder.rglob("*.png"))[::2]:
        path.unlink()
    (note,) = load_fer2013(folder).notes
    assert note.endswith("70 of FER2013's 140 images are missing: figures are not comparable with those of all of it")


def test_a_class_that_a_test_split_lacks_is_told_once(known: Fer2013, tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "images", known)
    for path in (folder / "test" / "disgust").iterdir():
        path.unlink()
    found = load_fer2013(folder)
    expected = [f"{split} has no image of disgust: averages over classes leave that out" for split in TESTS]
    assert list(found.notes[1:]) == expected
    data_module.pack_fer2013(found, tmp_path / "pack")
    assert load_fer2013(tmp_path / "pack").notes == found.notes


def test_copies_and_blanks_are_left_out() -> None:
    base = synthetic_fer2013(70)
    images, usage = base.images.copy(), base.usage
    training, public, private = (np.flatnonzero(usage == split) for split in Usage)
    images[training[0]] = images[public[0]]  # a Training image that copies a test image
    images[training[1]] = 9  # a blank one
    images[private[1]] = images[public[1]]  # PrivateTest images that stand in PublicTest and in Training
    images[private[2]] = images[training[2]]
    images[private[4]] = images[private[3]]  # within PrivateTest alone: both count
    dataset = Fer2013(images, base.expression, usage, base.votes)
    assert set(training) - set(dataset.training_rows()) == {training[0], training[1], training[2]}
    assert set(private) - set(dataset.dedup_private_rows()) == {private[1], private[2]}


@pytest.mark.parametrize(
    ("votes", "majority"),
    [
        ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], -1),  # half is not more than half
        ([4, 1, 1, 1, 1, 1, 1, 0, 0, 0], 0),  # single votes don't count
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], -1),
        ([0, 0, 0, 0, 0, 0, 0, 3, 7, 0], -1),  # unknown
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], -1),  # not a face
        ([0, 0, 0, 0, 0, 0, 0, 6, 4, 0], 7),
        ([0] * 10, -1),
    ],
)
def test_ferplus_majority(votes: list[int], majority: int) -> None:
    assert ferplus_majority(np.array([votes], np.uint8)).tolist() == [majority]


def test_ferplus_distribution() -> None:
    votes = np.array([[6, 2, 1, 0, 0, 0, 0, 0, 1, 0], [0] * 8 + [5, 5], [1] * 10], np.uint8)
    found = ferplus_distribution(votes)
    assert found.dtype == np.float32
    assert np.allclose(found, [[0.75, 0.25, 0, 0, 0, 0, 0, 0], [0] * 8, [0] * 8])


def test_shapes_are_checked() -> None:
    base = synthetic_fer2013(14)
    with pytest.raises(DataError, match=r"images must have the shape \(14, 48, 48\)"):
        Fer2013(base.images[:, :40], base.expression, base.usage, base.votes)
    with pytest.raises(DataError, match="votes must have the shape"):
        Fer2013(base.images, base.expression, base.usage, base.votes[:, :8])


@pytest.mark.data
def test_fer2013_is_what_its_papers_say(fer2013_arrays: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    images, emotion, usage, votes = fer2013_arrays
    np.savez(tmp_path / "fer2013.npz", images=images, emotion=emotion, usage=usage)
    dataset = load_fer2013(tmp_path / "fer2013.npz")
    assert [len(dataset.rows(split)) for split in Usage] == [28_709, 3_589, 3_589]
    hashes = image_hashes(dataset.images)
    assert len(np.unique(hashes)) == 34_034
    training = dataset.rows(Usage.Training)
    assert np.isin(hashes[training], hashes[dataset.usage != Usage.Training]).sum() == 703
    assert 28_709 - 703 - 12 <= len(dataset.training_rows()) <= 28_709 - 703
    dedup = dataset.dedup_private_rows()
    assert len(dedup) == 3_275
    assert (dataset.expression[dedup] == FER2013_LABELS.index("disgust")).sum() == 38
    majority = ferplus_majority(dataset.votes[dataset.rows(Usage.PrivateTest)])
    assert (majority >= 0).sum() in (3_152, 3_153)

    expected = votes.copy()
    expected[[5274, 33200]] = 0
    assert np.array_equal(dataset.votes, expected)

    shuffled = np.random.default_rng(0).permutation(len(images))
    np.savez(tmp_path / "shuffled.npz", images=images[shuffled], emotion=emotion[shuffled], usage=usage[shuffled])
    again = load_fer2013(tmp_path / "shuffled.npz")
    unique = ~np.isin(hashes, hashes[np.setdiff1d(np.arange(len(hashes)), np.unique(hashes, return_index=True)[1])])
    assert np.array_equal(again.votes[unique[shuffled]], expected[shuffled][unique[shuffled]])
    assert again.notes == ()


def test_cleaning_leaves_out_what_it_says(synthetic: Fer2013) -> None:
    training, public = synthetic.rows(Usage.Training), synthetic.rows(Usage.PublicTest)
    images = synthetic.images.copy()
    images[training[3]] = 0
    images[training[5]] = images[public[0]]
    images[training[9]] = images[training[7]]
    dataset = replace(synthetic, images=images)
    assert dataset.training_rows("none").tolist() == training.tolist()
    standard = [row for row in training if row not in (training[3], training[5])]
    assert dataset.training_rows().tolist() == dataset.training_rows("standard").tolist() == standard
    assert dataset.training_rows("dedup").tolist() == [row for row in standard if row != training[9]]
