"""``fer-live`` as a user runs it: in a process of its own, on a synthesised clip with sound and on bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import av
import cv2
import numpy as np
import pytest

from fer_live.bundled import MODEL, asset_path
from fer_live.realtime.testing.fakes import make_clip, read_index

PROGRAM = Path(sys.executable).with_name("fer-live")
PNG = cv2.imencode(".png", np.full((64, 96), 90, np.uint8))[1].tobytes()
LONG = 1000
"""Frames, seconds of work: more than any of them is interrupted after."""


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}


def run(*arguments: object, stdin: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command,
        stdin=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        env=environment(),
        check=False,
    )


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


def frame_indexes(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_index(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def assert_refused(done: subprocess.CompletedProcess[str], *words: str, code: int = 1) -> None:
    """One line that holds the words, the exit code, no traceback."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("fer-live: error: ")
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(path, frames=50, size_wh=(160, 120), fps=25, audio="aac")
    return path


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    make_clip(path, frames=LONG, size_wh=(160, 120), fps=25, audio="aac")
    return path


def test_annotates_a_clip_and_says_what_it_did(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "annotated.mp4"
    done = run("--video", clip, "--out", out, "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("50 frames, ") and "ExecutionProvider" in done.stdout and "0 dropped" in done.stdout
    assert done.stderr == ""
    assert frame_indexes(out) == list(range(50))
    assert sorted(tmp_path.iterdir()) == [out]
    with av.open(str(clip)) as before, av.open(str(out)) as after:
        assert after.streams.video[0].codec_context.name == "h264"
        assert (after.streams.video[0].width, after.streams.video[0].height) == (160, 120)
        assert after.streams.audio[0].codec_context.name == before.streams.audio[0].codec_context.name


def test_replaces_an_existing_output(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "annotated.mp4"
    out.write_text("an older result")
    assert run("--video", clip, "--out", out, "--model", tiny_model).returncode == 0
    assert frame_indexes(out) == list(range(50))


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_a_private_output_stays_private(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    outputs = [tmp_path / "out.mp4", tmp_path / "faces.csv"]
    for path in outputs:
        path.touch(mode=0o600)
    done = run("--video", clip, "--out", outputs[0], "--save", outputs[1], "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert [path.stat().st_mode & 0o777 for path in outputs] == [0o600, 0o600]


def test_no_output_takes_the_place_of_what_is_read(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    files = {
        "clip.mp4": clip.read_bytes(),
        "model.onnx": tiny_model.read_bytes(),
        "images/1.png": PNG,
        "images/2.png": PNG,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link.json").symlink_to("model.onnx")
    read, out = tmp_path / "clip.mp4", ("--out", tmp_path / "out.mp4")
    model = ("--model", tmp_path / "model.onnx")
    with read.open("rb") as piped:
        for arguments, words in (
            (("--video", read, *out, "--trace", read), "clip.mp4: is the input"),
            (("--video", read, *out, *model, "--trace", tmp_path / "model.onnx"), "model.onnx: is the model"),
            (("--video", read, *out, "--compare", model[1], "--trace", tmp_path / "link.json"), "is the model"),
            (("--video", images, *out, "--trace", images / "2.png"), "2.png: is one of the input's images"),
            (("--video", images / "%d.png", *out, "--trace", images / "1.png"), "1.png: is one of the input's images"),
            (("--video", "-", "--out", read), "clip.mp4: is the input"),
        ):
            assert_refused(run(*arguments, stdin=piped), words)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell, and folders that can be deleted")
def test_rows_to_nobody_and_from_nowhere(clip: Path, tmp_path: Path) -> None:
    shell = ["sh", "-c", 'exec "$0" --video "$1" --save - >&-', PROGRAM, clip]
    done = subprocess.run(shell, stderr=subprocess.PIPE, text=True, timeout=120, env=environment(), check=False)
    assert_refused(done, "--save -: standard output is closed")
    shell = ["sh", "-c", 'mkdir gone; cd gone; rmdir ../gone; exec "$0" --video clip.mp4 --save a.csv', PROGRAM]
    done = subprocess.run(
        shell, stderr=subprocess.PIPE, text=True, timeout=120, env=environment(), cwd=tmp_path, check=False
    )
    assert_refused(done, "the current folder was deleted")


def test_works_where_nobody_can_be_told_anything(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    line = 'exec "$@" >&- 2>&- <&-'  # as some services start programs
    arguments = [PROGRAM, "--video", clip, "--out", tmp_path / "out.mp4", "--model", tiny_model]
    done = subprocess.run(["sh", "-c", line, "sh", *map(str, arguments)], env=environment(), timeout=120, check=False)
    assert done.returncode == 0
    assert frame_indexes(tmp_path / "out.mp4") == list(range(50))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
def test_a_name_that_is_no_text(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    """From an archive of another country's, say: the whole run must not fail when its name is written at the end."""
    video, stem = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.mp4")), os.fsdecode(b"caf\xe9")
    video.write_bytes(clip.read_bytes())
    written = [tmp_path / f"{stem}-{name}" for name in ("a.mp4", "a.csv", "a.parquet", "a.eaf", "boris.csv", "a.html")]
    out, table, other, eaf, boris, page = written
    outputs = ["--save", table, "--save", other, "--events", eaf, "--events", boris, "--report", page]
    done = run("--video", video, "--out", out, *outputs, "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert all(path.is_file() for path in written)
    manifest = json.loads(Path(f"{table}.manifest.json").read_text())
    assert (manifest["source"]["name"], manifest["output"]) == (str(video), table.name)
    assert "caf\\udce9.mp4" in page.read_text(encoding="utf-8")
    assert "/caf%E9.mp4" in eaf.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.mp4", None, ["no such file"]),
        ("empty.mp4", b"", ["empty.mp4"]),
        ("text.mp4", b"this is not a video\n" * 50, ["text.mp4"]),
    ],
)
def test_bad_videos(name: str, content: bytes | None, words: list[str], tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    assert_refused(run("--video", path, "--out", tmp_path / "out.mp4", "--model", tiny_model), name, *words)
    assert sorted(tmp_path.iterdir()) == before


def test_a_video_without_pictures(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        block = av.AudioFrame(format="s16", layout="mono", samples=800)
        block.sample_rate = 8000
        for plane in block.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    assert_refused(run("--video", path, "--out", tmp_path / "out.mp4", "--model", tiny_model), "sound.wav")
    assert not (tmp_path / "out.mp4").exists()


def test_a_camera_that_is_not_there(tmp_path: Path, tiny_model: Path) -> None:
    assert_refused(run("--camera", 63, "--out", tmp_path / "out.mp4", "--model", tiny_model), "camera 63")
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    for out in (folder, tmp_path / "missing" / "out.mp4", clip, tmp_path / "out.xyz"):
        assert_refused(run("--video", clip, "--out", out, "--model", tiny_model), out.name)
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    assert_refused(run("--video", clip, "--out", link, "--model", tiny_model), "link.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.mp4", "link.mp4"]
    assert frame_indexes(clip) == list(range(50))


def test_models_that_are_none(clip: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"\x00" * 1000)
    for model in (corrupt, tmp_path / "none.onnx", tiny_checkpoint):
        assert_refused(run("--video", clip, "--out", tmp_path / "out.mp4", "--model", model), model.name)
    assert list(tmp_path.iterdir()) == [corrupt]


def test_cuda_where_there_is_none(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "--video", clip, "--out", tmp_path / "out.mp4", "--model", tiny_model, "--device", "cuda"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**environment(), "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )
    assert_refused(done, "CUDA", "--device cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["--camera", "0", "--video", "x.mp4"], ["--detector", "none"], ["--nonsense"]]
)
def test_usage_errors(arguments: Sequence[str]) -> None:
    assert_refused(run(*arguments), "--help", code=2)


def test_no_display_and_nothing_to_write(clip: Path, tiny_model: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    assert_refused(run("--video", clip, "--model", tiny_model), "no display", "--out")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_display_that_fails_where_nobody_asks_after_children(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    """As some services start programs; the process that tried the display must not seem to have ended well."""
    code = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    arguments = [PROGRAM, "--video", clip, "--window", "--out", tmp_path / "out.mp4", "--model", tiny_model]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment() | {"DISPLAY": ":987"},
        check=False,
    )
    assert done.returncode == 0 and "going on without a window" in done.stderr, done.stderr


def test_no_display_but_something_to_write(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    done = run("--video", clip, "--out", tmp_path / "out.mp4", "--window", "--model", tiny_model)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1 and "going on without a window" in done.stderr
    assert frame_indexes(tmp_path / "out.mp4") == list(range(50))


def wait_for(path: Path, process: subprocess.Popen[str], size: int) -> None:
    """Until a growing file has reached a size; fails when the process ends before."""
    while not path.exists() or path.stat().st_size < size:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGINT)])
def test_interrupted_runs_leave_a_complete_file(
    number: signal.Signals, long_clip: Path, tmp_path: Path, tiny_model: Path
) -> None:
    out = tmp_path / "out.mp4"
    process = start("--video", long_clip, "--out", out, "--model", tiny_model)
    wait_for(tmp_path / "out.partial.mp4", process, 20_000)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    indexes = frame_indexes(out)
    assert 0 < len(indexes) < LONG and indexes == list(range(len(indexes)))
    assert stdout.startswith(f"{len(indexes):,} frames")
    assert sorted(tmp_path.iterdir()) == [out]


def test_killed_runs_leave_a_playable_part_and_the_old_target(
    long_clip: Path, tmp_path: Path, tiny_model: Path
) -> None:
    out, partial = tmp_path / "out.mp4", tmp_path / "out.partial.mp4"
    out.write_text("an older result")
    process = start("--video", long_clip, "--out", out, "--model", tiny_model)
    wait_for(partial, process, 200_000)
    process.kill()
    process.communicate(timeout=60)
    assert out.read_text() == "an older result"
    indexes = frame_indexes(partial)
    assert len(indexes) > 10 and indexes == list(range(len(indexes)))


def test_an_unexpected_end_of_input_is_told(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    """A file that breaks off gives the frames before the break."""
    whole = tmp_path / "whole.mkv"
    make_clip(whole, frames=200, size_wh=(160, 120))
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    done = run("--video", broken, "--out", tmp_path / "out.mp4", "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    indexes = frame_indexes(tmp_path / "out.mp4")
    assert 0 < len(indexes) < 200 and indexes == list(range(len(indexes)))
    assert done.stderr.startswith("fer-live: warning: ") and done.stderr.count("\n") == 1
    assert "broken.mkv" in done.stderr


@pytest.mark.camera
def test_records_from_a_camera(tmp_path: Path) -> None:
    if not Path("/dev/video0").exists():
        pytest.skip("no camera")
    out = tmp_path / "out.mp4"
    process = start("--camera", 0, "--out", out)
    wait_for(tmp_path / "out.partial.mp4", process, 20_000)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == sorted(times) and len(times) > 1


@pytest.mark.parametrize("detector", ["yunet", "haar", "mediapipe"])
def test_bundled_model_finds_the_sample_face(detector: str, tmp_path: Path) -> None:
    """The README's own job: the sample clip, the bundled model, every detector."""
    if detector == "mediapipe":
        pytest.importorskip("mediapipe")
    sample = next(Path(__file__).parents[2].joinpath("samples").glob("*.mp4"))
    assert asset_path(MODEL).is_file()
    out = tmp_path / "annotated.mp4"
    done = run("--video", sample, "--out", out, "--detector", detector)
    assert done.returncode == 0, done.stderr
    frames, faces = (int(part.split()[0].replace(",", "")) for part in done.stdout.split(", ")[:2])
    with av.open(str(sample)) as container:
        assert frames == sum(1 for _ in container.decode(video=0))
    # Haar loses a face that tilts its head.
    assert faces >= (0.7 if detector == "haar" else 0.95) * frames
    assert done.stderr == ""


def test_a_trace_is_written_also_when_interrupted(long_clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    out, trace = tmp_path / "out.mp4", tmp_path / "trace.json"
    process = start("--video", long_clip, "--out", out, "--model", tiny_model, "--trace", trace)
    wait_for(tmp_path / "out.partial.mp4", process, 20_000)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    written = [
        event["args"]["frame"] for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "write"
    ]
    assert written == frame_indexes(out)


def test_exact_and_raw(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out.mp4"
    done = run("--video", clip, "--out", out, "--model", tiny_model, "--exact", "--no-smooth")
    assert done.returncode == 0 and done.stderr == ""
    assert frame_indexes(out) == list(range(50))


@pytest.mark.parametrize(
    "arguments", [["--exact", "--detect-every", "2"], ["--target-latency", "40", "--classify-every", "2"]]
)
def test_options_that_contradict_each_other(arguments: Sequence[str], clip: Path, tmp_path: Path) -> None:
    assert_refused(run("--video", clip, "--out", tmp_path / "out.mp4", *arguments), arguments[-2], code=2)


def test_a_file_cannot_be_late(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out.mp4"
    arguments = ("--video", clip, "--out", out, "--model", tiny_model)
    assert_refused(run(*arguments, "--target-latency", 40), "clip.mp4", "--target-latency")
    assert_refused(run(*arguments, "--trace", tmp_path / "none" / "trace.json"), "trace.json")
    assert list(tmp_path.iterdir()) == []


def test_every_option_stands_under_a_heading() -> None:
    """``Other`` is for what belongs to no area; a new option's ``with_options`` names its heading."""
    import click

    from fer_live.cli_options import headings_of
    from fer_live.realtime.cli import command

    other = headings_of(command, click.Context(command)).pop("Other")
    assert [option.opts[-1] for option in other] == ["--trace", "--debug", "--version", "--help"]
