import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.view.options import ViewOptions
from fer_live.realtime.web.media_types import media_type_of
from fer_live.realtime.web.outputs import FACES, THUMBS
from fer_live.realtime.web.photo_work import THUMB_PX, THUMBS_A_ROW, thumbs_of
from fer_live.realtime.web.task import Task
from fer_live.realtime.web.worker import work

PHOTO = (Path(__file__).parents[3] / "samples" / "astronaut.jpg").read_bytes()


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Does one photo in this process; gives what was told and the faces' pictures."""
    monkeypatch.chdir(tmp_path)

    def do(data: bytes, run: RunOptions) -> tuple[list[dict[str, Any]], np.ndarray | None]:
        task = Task(tmp_path, "upload-1", media_type_of(data, "me.jpg"), "me.jpg", run)
        (tmp_path / task.upload).write_bytes(data)
        told: list[dict[str, Any]] = []
        work(task, lambda event, **values: told.append({"event": event, **values}))
        return told, cv2.imread(THUMBS) if (tmp_path / THUMBS).exists() else None

    return do


def test_covered_heads_are_covered_on_every_picture(done: Any, tmp_path: Path) -> None:
    _, plain = done(PHOTO, RunOptions())
    told, covered = done(PHOTO, RunOptions(view=ViewOptions(anonymise="box")))
    assert [event["event"] for event in told] == ["opened", "done"]
    first = np.s_[:THUMB_PX, :THUMB_PX]
    assert plain[first].std() > 30 > 10 > covered[first].std()
    annotated = cv2.imread(str(tmp_path / "upload-1.annotated.jpg"))
    (face,) = json.loads((tmp_path / FACES).read_text())["faces"]
    left, top, right, bottom = (round(value) for value in face["box"])
    assert annotated[top + 20 : bottom - 10, left + 10 : right - 10].std() < 10


def test_a_damaged_photo_is_told_by_its_own_name(done: Any) -> None:
    told, thumbs = done(PHOTO[:5000], RunOptions())
    assert told[-1]["event"] == "failed" and told[-1]["status"] == 415
    assert told[-1]["reason"].startswith("me.jpg: ") and thumbs is None


def test_an_animation_is_a_clip_and_a_still_gif_a_photo(done: Any) -> None:
    from io import BytesIO

    from PIL import Image

    pictures = [Image.new("RGB", (64, 48), (60 * i, 0, 0)) for i in range(3)]
    for frames, kind in ((pictures, "clip"), (pictures[:1], "photo")):
        file = BytesIO()
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
        told, _ = done(file.getvalue(), RunOptions())
        assert [event.get("kind") for event in told if event["event"] == "opened"] == [kind], told
        assert told[-1]["event"] == "done"


def test_thumbs_at_every_edge_and_of_nobody() -> None:
    image = np.random.default_rng(0).integers(0, 255, (50, 80, 3)).astype(np.uint8)
    squares = np.array([[0, 0, 20, 0], [80, 50, 20, 0], [40, 25, 300, 0], [-90, -90, 8, 0]], np.float32)
    sheet = thumbs_of(image, squares)
    assert sheet.shape == (THUMB_PX, THUMBS_A_ROW * THUMB_PX, 3)
    assert [len(np.unique(sheet[:, i * THUMB_PX : (i + 1) * THUMB_PX])) > 1 for i in range(4)] == [True] * 3 + [False]
    assert thumbs_of(image, np.tile(squares, (6, 1))).shape[0] == 2 * THUMB_PX
    assert thumbs_of(image, squares[:0]).shape[0] == THUMB_PX
