"""Damaged files, a thousand of each kind: each is read or refused with a line; nothing crashes, hangs or grows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fer_live.realtime.testing.fakes import make_clip

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short clip of each kind in ``bases``."""
    folder = tmp_path_factory.mktemp("media")
    (folder / "bases").mkdir()
    clips = {
        "aac.mp4": {"audio": "aac"},
        "av1.webm": {"codec": "libsvtav1"},
        "gif.gif": {"fps": 10},
        "mjpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p", "audio": "pcm"},
        "mpeg2.ts": {"codec": "mpeg2video", "audio": "mp2"},
        "ten_bit.mov": {
            "codec": "libx265",
            "pixel_format": "yuv420p10le",
            "codec_options": {"x265-params": "log-level=none", "preset": "ultrafast"},
            "rotation": 90,
        },
        "vp9.mkv": {"codec": "libvpx-vp9", "audio": "opus"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SVT_LOG", "1")
        for name, how in clips.items():
            make_clip(folder / "bases" / name, frames=12, size_wh=(96, 64), **how)
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    for suffix in ("jpg", "png"):
        cv2.imwrite(str(folder / "bases" / f"still.{suffix}"), picture)
    begin(SAMPLES / "astronaut.mp4", folder / "bases" / "faces.mp4", packets=15)
    return folder


def begin(clip: Path, target: Path, packets: int) -> None:
    """The first packets of a clip's pictures."""
    with av.open(str(clip)) as given, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for _, packet in zip(range(packets), given.demux(video=0), strict=False):
            packet.stream = stream
            out.mux(packet)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, tiny_model: Path) -> Path:
    """A folder with a checkpoint, a model and a contract."""
    from fer_live.training.checkpoint import load_checkpoint

    folder = tmp_path_factory.mktemp("models")
    for path in (tiny_checkpoint, tiny_model):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "contract.json").write_text(load_checkpoint(tiny_checkpoint).contract.to_json())
    return folder


COUNTS = [pytest.param(80, id="sample"), pytest.param(1000, id="all", marks=pytest.mark.stress)]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", COUNTS)
def test_mutated_media_are_read_or_refused(media: Path, run_seeds: Callable[..., list[str]], count: int) -> None:
    outcomes = run_seeds("media_cases.py", media, count)
    # Else it would not be known that damage reaches the decoders and the sink.
    read = [outcome for outcome in outcomes if " frames" in outcome]
    assert 0.4 * count < len(read) < 0.9 * count


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", COUNTS)
def test_mutated_models_checkpoints_and_contracts_run_or_are_refused(
    models: Path, run_seeds: Callable[..., list[str]], count: int
) -> None:
    outcomes = run_seeds("model_cases.py", models, count)
    ran = [outcome for outcome in outcomes if not outcome.endswith("Error")]
    assert 0.05 * count < len(ran) < 0.5 * count
