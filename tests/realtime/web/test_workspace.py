import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fer_live.realtime.web.workspace import PREFIX, Workspace, remove_abandoned

HOLD = """
import sys
from pathlib import Path
from fer_live.realtime.web.workspace import Workspace
with Workspace(Path(sys.argv[1])) as workspace:
    (workspace.new_folder() / "face.jpg").write_bytes(b"a face")
    print(workspace.path, flush=True)
    sys.stdin.read()
"""


def test_private_and_gone_afterwards(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        folder = workspace.new_folder()
        (folder / "face.jpg").write_bytes(b"a face")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (workspace.path, folder)] == [0o700, 0o700]
        remove_abandoned(tmp_path)  # as another server would that starts beside it
        assert (folder / "face.jpg").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        left = Path(server.stdout.readline().strip())
        remove_abandoned(tmp_path)
        assert list(left.rglob("face.jpg"))
        server.send_signal(signal.SIGKILL)
    assert list(left.rglob("face.jpg"))
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_servers_folder_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "in-use.lock").write_bytes(b"")
    (tmp_path / f"{PREFIX}link").symlink_to(precious)
    (tmp_path / f"{PREFIX}being-made").mkdir()
    (tmp_path / f"{PREFIX}file").write_bytes(b"")
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4 and (precious / "in-use.lock").exists()
