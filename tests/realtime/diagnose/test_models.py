from pathlib import Path

import pytest

from fer_live import bundled
from fer_live.realtime.diagnose import codecs, models
from fer_live.realtime.diagnose.findings import Mark


def test_every_bundled_file_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [each.name for each in models.bundled()] == list(bundled.SHA256)
    assert {each.mark for each in models.bundled()} == {Mark.OK}
    monkeypatch.setattr(bundled.resources, "files", lambda _: tmp_path)
    assert {(each.mark, each.advice) for each in models.bundled()} == {(Mark.TROUBLE, "bundled-damaged")}


def test_a_model_of_the_users(tiny_model: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (found,) = models.own(str(tiny_model))
    assert found.mark is Mark.OK
    assert found.facts["labels"][3] == "happy" and len(found.facts["sha256"]) == 64
    for path in (tiny_checkpoint, tmp_path / "none.onnx", bundled.asset_path(bundled.DETECTOR_YUNET)):
        (found,) = models.own(str(path))
        assert found.mark is Mark.TROUBLE and found.advice in ("model-unusable", "model-contract")
        assert str(path) in found.told


@pytest.mark.parametrize("name", ["yunet", "haar"])
def test_detectors_look(name: str) -> None:
    (found,) = models.detector(name)
    assert (found.name, found.mark) == (name, Mark.OK)


def test_mediapipe_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda _: None)
    (found,) = models.detector("mediapipe")
    assert (found.mark, found.advice) == (Mark.NOTE, "mediapipe-missing")


@pytest.mark.parametrize("codec", ["h264", "av1", "vp9"])
def test_codecs_write_what_is_read_back(codec: str) -> None:
    (found,) = codecs.encoder(codec)
    assert (found.name, found.mark) == (f"write {codec}", Mark.OK)


def test_a_codec_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = codecs.encoder("h266")
    assert (found.mark, found.advice) == (Mark.WARNING, "codec")
    assert "h266" in found.told and "/" not in found.told
    monkeypatch.setattr(codecs, "_DECODERS", ("h264", "h266"))
    (found,) = codecs.decoders()
    assert found.mark is Mark.WARNING and found.told.endswith("without h266")
