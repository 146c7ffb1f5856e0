"""Pictures that are saved by key."""

from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from fer_live.realtime.testing.fakes import make_frame
from fer_live.realtime.view.snapshots import Snapshots

NOON = datetime(2026, 3, 1, 12, 0, 5)


def test_pictures_have_the_time_in_their_names_and_overwrite_nothing(tmp_path: Path) -> None:
    folder, told = tmp_path / "new" / "folder", []
    folder.mkdir(parents=True)
    (folder / "fer-live_2026-03-01_12-00-05.png").write_bytes(b"somebody's")
    with Snapshots(folder, told.append, lambda: NOON) as snapshots:
        snapshots.save(make_frame(64, 48))
        snapshots.save(make_frame(64, 48, 9))
    names = [f"fer-live_2026-03-01_12-00-05{rest}.png" for rest in ("", "_2", "_3")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert (folder / names[0]).read_bytes() == b"somebody's"
    assert told == [f"saved {folder / name}" for name in names[1:]]
    pictures = [cv2.imread(str(folder / name)) for name in names[1:]]
    assert pictures[0].shape == (48, 64, 3) and (pictures[0] != pictures[1]).any()


def test_a_folder_that_cannot_be_is_told_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    told: list[str] = []
    with Snapshots(tmp_path / "file", told.append, lambda: NOON) as snapshots:
        snapshots.save(make_frame(64, 48))
    assert len(told) == 1 and told[0].startswith("no picture was saved in ") and "\n" not in told[0]


def test_nothing_is_made_where_nobody_asks(tmp_path: Path) -> None:
    with Snapshots(tmp_path / "never", print):
        pass
    assert not (tmp_path / "never").exists()
    assert np.array(list(tmp_path.iterdir())).size == 0
