import sys
from pathlib import Path

import pytest

from fer_live.realtime.detectors.imported_late import imported_late


def test_a_module_is_imported_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rarely", "rarely/used.py", "rarely/__init__.py", "user_of_it.py"):
        path = tmp_path / name
        path.mkdir() if not path.suffix else path.write_text("")
    (tmp_path / "rarely" / "used.py").write_text("VALUE = 7\n")
    (tmp_path / "user_of_it.py").write_text("import rarely.used as used\n")
    monkeypatch.syspath_prepend(tmp_path)
    with imported_late("rarely", "used"):
        import user_of_it
    assert "rarely" not in sys.modules and "rarely.used" not in sys.modules
    assert user_of_it.used.VALUE == 7
    with pytest.raises(AttributeError):
        user_of_it.used.nothing  # noqa: B018
    import rarely.used

    assert rarely.used is sys.modules["rarely.used"] and rarely.used.VALUE == 7
    with imported_late("rarely", "used"):
        assert sys.modules["rarely.used"] is rarely.used
    for name in ("rarely", "rarely.used", "user_of_it"):
        del sys.modules[name]
