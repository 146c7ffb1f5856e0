"""What replaces a file is whole, and as private as it was."""

import os
import stat
import sys
from pathlib import Path

import pytest

from fer_live.errors import SinkError
from fer_live.files import replacing


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o664])
def test_a_file_that_is_replaced_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(mode)
    with replacing(path) as partial:
        partial.write_text("new")
        assert stat.S_IMODE(partial.stat().st_mode) == mode | stat.S_IWUSR
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(
        SinkError, match=r"a\.json: could not be written: No space left on device; the one before is kept"
    ):
        with replacing(path) as partial:
            partial.write_text("half")
            raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), replacing(path):
        raise KeyError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.json"]
