import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from fer_live.errors import SourceError
from fer_live.realtime.sources.open_source import SourceOptions, open_source, sound_file
from fer_live.realtime.testing.fakes import make_clip, read_index

READ_PIPE = """
import sys
from fer_live.errors import SourceError
from fer_live.realtime.sources.open_source import SourceOptions, open_source
from fer_live.realtime.testing.fakes import read_index
try:
    with open_source(SourceOptions(video="-")) as source:
        print(*[read_index(frame.y) for frame in source])
        print(*source.warnings, sep="\\n", end="")
except SourceError as error:
    print(error)
"""


def pipe(data: bytes) -> list[str]:
    done = subprocess.run([sys.executable, "-c", READ_PIPE], input=data, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.ts", {}),
        ("a.mkv", {"audio": "aac"}),
        ("a.mp4", {"container_options": {"movflags": "faststart"}}),
        ("a.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.gif", {}),
        ("a.webm", {}),
    ],
)
def test_a_pipe_is_read_whole(tmp_path: Path, name: str, how: dict) -> None:
    make_clip(tmp_path / name, **how)
    assert pipe((tmp_path / name).read_bytes()) == [" ".join(map(str, range(30)))]


def test_a_pipe_that_breaks_off_gives_what_came(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", frames=100, container_options={"movflags": "faststart"})
    data = (tmp_path / "a.mp4").read_bytes()
    codes, *warnings = pipe(data[: len(data) // 2])
    numbers = [int(code) for code in codes.split()]
    assert numbers == list(range(len(numbers))) and 10 < len(numbers) < 100
    assert len(warnings) == 1 and warnings[0].startswith("standard input: ")


@pytest.mark.parametrize("data", [b"", b"Just notes.\n" * 100, bytes(5000)])
def test_a_pipe_without_a_video_is_told_in_one_line(data: bytes) -> None:
    (line,) = pipe(data)
    assert line.startswith("standard input: ") and ("nothing came" in line or "not a video" in line)


@pytest.mark.parametrize("sound", [None, "aac"])
@pytest.mark.parametrize("size_wh", [(96, 64), (640, 480)])
def test_an_mp4_with_its_index_at_the_end_is_told_or_read_from_a_pipe(
    tmp_path: Path, size_wh: tuple[int, int], sound: str | None
) -> None:
    make_clip(tmp_path / "a.mp4", frames=100, size_wh=size_wh, audio=sound)
    data = (tmp_path / "a.mp4").read_bytes()
    (line,) = pipe(data)
    told = line.startswith("standard input: ") and "must have its index first" in line
    assert told or line == " ".join(map(str, range(100)))


def test_a_silent_pipe_can_be_left() -> None:
    # An interrupt while a C extension is imported may come out as an error of that import: all of them first.
    code = """
import fer_live.realtime.sources.relay, fer_live.realtime.sources.video_file
from fer_live.realtime.sources.open_source import SourceOptions, open_source
print("reading", flush=True)
open_source(SourceOptions(video="-"))
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"reading\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
        assert b"KeyboardInterrupt" in process.stderr.read()


def test_which_file_the_sound_is_in(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", frames=2)
    assert sound_file(SourceOptions(video=str(tmp_path / "a.mp4"))) == tmp_path / "a.mp4"
    for other in (
        SourceOptions(video=str(tmp_path)),
        SourceOptions(video="-"),
        SourceOptions(camera="0"),
        SourceOptions(video="rtsp://host/a"),
    ):
        assert sound_file(other) is None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (SourceOptions(camera="0", fps=Fraction(25)), "camera 0: has its own frame rate"),
        (SourceOptions(camera="0", stream=1), "camera 0: has no streams"),
        (SourceOptions(screen=True, stream=1), "screen: has no streams"),
        (SourceOptions(video="-", fps=Fraction(25)), "standard input: has its own frame rate"),
        (SourceOptions(video="a.mp4", fps=Fraction(25)), "a.mp4: has its own frame rate"),
        (
            SourceOptions(video="rtsp://me:secret@host/", fps=Fraction(25)),
            r"rtsp://me:\*\*\*@host/: has its own frame rate",
        ),
        (SourceOptions(video="img_%04d.png", stream=0), "img_%04d.png: has no streams"),
        (SourceOptions(camera="400"), "camera 400: there is none"),
    ],
)
def test_options_that_do_not_go_together_are_told(wanted: SourceOptions, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        open_source(wanted)


@pytest.mark.parametrize("kwargs", [{}, {"camera": "0", "screen": True}, {"camera": "0", "video": "a.mp4"}])
def test_just_one_source_is_wanted(kwargs: dict) -> None:
    with pytest.raises(ValueError, match="just one"):
        SourceOptions(**kwargs)


def test_a_file_is_read_as_before(tmp_path: Path) -> None:
    make_clip(tmp_path / "50%d: a.mp4")
    with open_source(SourceOptions(video=str(tmp_path / "50%d: a.mp4"))) as source:
        assert [read_index(frame.y) for frame in source] == list(range(30))
