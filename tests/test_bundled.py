import hashlib
from pathlib import Path

import pytest

from fer_live import bundled
from fer_live.errors import ModelError
from fer_live.export.vendor_detectors import derive


def weights() -> list[Path]:
    folder = bundled.asset_path(bundled.DETECTOR_YUNET).parent
    return sorted(path for path in folder.iterdir() if path.suffix not in {".LICENSE", ".md"})


def test_every_bundled_file_is_the_released_one() -> None:
    names = [path.name for path in weights()]
    assert set(names) == set(bundled.SHA256)
    for name in names:
        assert bundled.asset_path(name).name == name


def test_every_bundled_file_has_a_licence_and_stands_in_the_readme() -> None:
    for path in weights():
        assert len(path.with_name(path.name + ".LICENSE").read_text()) > 500
        readme = (path.parent / "README.md").read_text()
        assert f"`{path.name}`" in readme
        assert bundled.SHA256[path.name] in readme


def test_a_missing_file_names_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled.resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match=r"missing; in a clone: git checkout"):
        bundled.asset_path(bundled.DETECTOR_YUNET)


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / bundled.DETECTOR_YUNET).write_bytes(b"damaged")
    monkeypatch.setattr(bundled.resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match=f"SHA-256 {hashlib.sha256(b'damaged').hexdigest()}, expected"):
        bundled.asset_path(bundled.DETECTOR_YUNET)


def test_only_the_published_originals_are_derived_from(tmp_path: Path) -> None:
    blazeface = bundled.asset_path(bundled.DETECTOR_BLAZEFACE)
    assert derive(blazeface) == blazeface.read_bytes()
    with pytest.raises(ModelError, match="neither YuNet's"):
        derive(bundled.asset_path(bundled.DETECTOR_YUNET))
    with pytest.raises(ModelError, match="cannot be read"):
        derive(tmp_path / "nothing")
