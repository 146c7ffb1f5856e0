"""What a run leaves behind and whom it talks to, seen from below Python: by strace and in a network namespace."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("fer-live")
CLIP, PHOTO = ROOT / "samples" / "astronaut.mp4", ROOT / "samples" / "astronaut.jpg"
DETECTORS = ("yunet", "haar", "mediapipe")
SAVED = ("faces.csv", "faces.jsonl", "faces.parquet", "e.vtt", "e.srt", "e.eaf", "e.csv")

SPEAKS = re.compile(r"sa_family=AF_(?!UNIX|UNSPEC|NETLINK)\w+")
"""An address that something is sent to or received from, or that is listened on, whatever the call."""
LOCAL = re.compile(r"^(?:connect|send\w+)\(.*sa_family=AF_UNIX, sun_path=(@?\"[^\"]*\")")
WRITES = re.compile(
    r"^(?:open|openat|creat)\(.*?\"([^\"]*)\", (?:[A-Z_|]*)(?:O_WRONLY|O_RDWR|O_CREAT)|"
    r"^(?:mkdir|mkdirat|mknod|mknodat|symlink|link)\(.*?\"([^\"]*)\""
)
EPHEMERAL = ("/dev/", "/proc/", "/sys/", "memfd:")


@dataclass(frozen=True)
class Traced:
    """How a command ended, what it told, and what it asked of the kernel."""

    code: int
    said: str
    remote: list[str]
    local: set[str]
    written: set[Path]


def rooms(top: Path) -> Path:
    """An empty home, folder for temporary files and working folder; the last is given."""
    for name in ("home", "tmp", "work"):
        (top / name).mkdir()
    return top / "work"


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    return rooms(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def minute(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], tuple[Path, Traced]]]:
    """More than a minute with an open MediaPipe detector, which passes while the other tests are at work."""
    work = rooms(tmp_path_factory.mktemp("minute"))
    code = (
        "import sys, time; from pathlib import Path; from fer_live.realtime.engine_options import EngineOptions; "
        "from fer_live.realtime.run_options import RunOptions; from fer_live.realtime.session import Session; "
        "from fer_live.realtime.sources.options import SourceOptions\n"
        "with Session(RunOptions(SourceOptions(video=sys.argv[1]), EngineOptions(detector='mediapipe'))) as session:\n"
        "    session.pipeline.start(); time.sleep(70); print(session.end().frames)"
    )
    with ThreadPoolExecutor(1) as background:
        is_wanted = any("its_minute_is_over" in item.name for item in request.session.items)
        if not is_wanted or find_spec("mediapipe") is None or not may_trace():
            yield lambda: pytest.skip("needs mediapipe and strace")
            return
        seen = background.submit(strace, work, [sys.executable, "-c", code, CLIP])
        yield lambda: (work, seen.result())


def environment(work: Path) -> dict[str, str]:
    """Nothing that would keep a library from what it does on a user's machine, nor a display."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(work.parent / "home"),
        "TMPDIR": str(work.parent / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",  # the installation is not what this is about
    }


STRACE = ["strace", "-f", "-q", "--seccomp-bpf", "-s", "256"]
STRACE += ["-e", "trace=network,openat,open,creat,/^mk,/^(sym)?link", "-o"]


@cache
def may_trace() -> bool:
    """Whether strace is there and works: not every container lets it."""
    return (
        shutil.which("strace") is not None
        and subprocess.run([*STRACE, "/dev/null", "true"], capture_output=True, check=False).returncode == 0
    )


def strace(work: Path, command: Sequence[object], **variables: str) -> Traced:
    if not may_trace():
        pytest.skip("strace is not here, or may not trace")
    log = work.parent / "strace.log"
    done = subprocess.run(
        [*STRACE, log, *map(str, command)],
        cwd=work,
        env=environment(work) | variables,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    # Each line begins with a process's number.
    called = [line.split(None, 1)[1] for line in log.read_text(errors="replace").splitlines() if " " in line]
    log.unlink()
    made = [name for call in called if (match := WRITES.match(call)) and "= -1" not in call for name in match.groups()]
    written = {Path(os.path.normpath(work / name)) for name in made if name and not name.startswith(EPHEMERAL)}
    return Traced(
        done.returncode,
        done.stdout + done.stderr,
        [call for call in called if SPEAKS.search(call)],
        {match.group(1) for call in called if (match := LOCAL.match(call))},
        written,
    )


def left(work: Path) -> set[str]:
    """Every file and folder below the three that were empty."""
    top = work.parent
    return {str(path.relative_to(top)) for path in top.rglob("*")} - {"home", "tmp", "work"}


def test_the_tracer_sees_who_speaks_and_who_writes(alone: Path) -> None:
    code = (
        "import socket, tempfile; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.sendto(b'x', ('127.0.0.1', 9)); socket.socket(socket.AF_INET6, socket.SOCK_STREAM).connect_ex(('::1', 9)); "
        "socket.socket(socket.AF_UNIX).connect_ex('/nowhere'); open('a.txt', 'w'); tempfile.mkdtemp()"
    )
    seen = strace(alone, [sys.executable, "-c", code])
    assert any("127.0.0.1" in call for call in seen.remote) and any("::1" in call for call in seen.remote)
    assert seen.local == {'"/nowhere"'}
    assert alone / "a.txt" in seen.written and any(path.parent == alone.parent / "tmp" for path in seen.written)


def everything(detector: str) -> list[object]:
    """A run over a clip with each kind of output."""
    outputs = [("--save" if name.startswith("faces") else "--events", name) for name in SAVED]
    named = [each for output in outputs for each in output]
    return [PROGRAM, "--video", CLIP, "--detector", detector, "--out", "a.mp4", *named]


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_run_opens_no_connection_and_leaves_what_it_was_asked_for(detector: str, alone: Path) -> None:
    if detector == "mediapipe":
        pytest.importorskip("mediapipe")
    seen = strace(alone, everything(detector))
    assert seen.code == 0, seen.said
    assert seen.remote == [] and seen.local == set()
    asked = {f"work/{name}" for name in ("a.mp4", *SAVED, *(f"{name}.manifest.json" for name in SAVED))}
    assert left(alone) == asked
    # Besides these only what took their place when it was complete, and what went again.
    for path in seen.written:
        beside = path.parent == alone and path.name.lstrip(".").startswith(("a.", "e.", "faces."))
        assert beside or alone.parent / "tmp" in path.parents, path


CASES = {
    "no such camera": (["--camera", "97", "--save", "a.csv"], 1, set()),
    "covered heads": (["--video", PHOTO, "--out", "a.mp4", "--anonymise", "blur", "--notice"], 0, {"a.mp4"}),
    "a photo": (["--image", PHOTO, "--out", "a.jpg", "--save", "a.csv"], 0, {"a.jpg", "a.csv", "a.csv.manifest.json"}),
    "rows to a pipe": (["--video", PHOTO, "--save", "-"], 0, set()),
    "groups": (["--video", PHOTO, "--save", "a.csv", "--aggregate-only"], 0, {"a.csv", "a.csv.manifest.json"}),
    "a report": (["--video", PHOTO, "--report", "a.html", "--thumbnails"], 0, {"a.html", "a.html.manifest.json"}),
    "doctor": (["doctor"], None, set()),
    "selftest": (["selftest"], None, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_nor_does_any_other_command(case: str, alone: Path) -> None:
    arguments, code, asked = CASES[case]
    seen = strace(alone, [PROGRAM, *arguments])
    assert code is None or seen.code == code, seen.said
    assert seen.remote == [] and seen.local == set()
    assert left(alone) == {f"work/{name}" for name in asked}


def test_a_window_talks_to_the_screen_alone(alone: Path, display: str) -> None:
    seen = strace(alone, [PROGRAM, "--video", PHOTO, "--window", "--save", "a.csv"], DISPLAY=display)
    assert seen.code == 0 and "going on without" not in seen.said, seen.said
    assert seen.remote == [] and seen.local and all(".X11-unix/X" in path for path in seen.local), seen.local
    assert left(alone) == {"work/a.csv", "work/a.csv.manifest.json"}


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_run_without_any_network_is_an_ordinary_one(detector: str, alone: Path) -> None:
    """A namespace in which not even this machine can be reached."""
    if detector == "mediapipe":
        pytest.importorskip("mediapipe")
    own = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here")
    command = list(map(str, [*own, *everything(detector)]))
    done = subprocess.run(
        command, cwd=alone, env=environment(alone), capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("175 frames, 17"), done.stdout + done.stderr
    assert len((alone / "faces.jsonl").read_text().splitlines()) > 170


def test_the_python_api_neither(alone: Path) -> None:
    code = "import sys, fer_live\nfor result in fer_live.open(sys.argv[1]): print(len(result.faces))"
    seen = strace(alone, [sys.executable, "-c", code, PHOTO])
    assert seen.code == 0 and seen.said == "1\n", seen.said
    assert seen.remote == [] and seen.local == set() and left(alone) == set() and seen.written == set()


def test_a_program_that_imported_onnxruntime_first(alone: Path) -> None:
    code = (
        "import onnxruntime; from fer_live.realtime.detectors.registry import create_detector; "
        "from fer_live.realtime.testing.fakes import make_frame; create_detector('yunet').detect(make_frame(640, 360))"
    )
    seen = strace(alone, [sys.executable, "-c", code])
    assert seen.code == 0, seen.said
    assert seen.remote == []


@pytest.mark.slow
def test_mediapipe_sends_nothing_when_its_minute_is_over(minute: Callable[[], tuple[Path, Traced]]) -> None:
    """Its client wakes a minute after the detector was made. The last one here: it waits for what is left of that."""
    work, seen = minute()
    assert seen.code == 0 and seen.said == "175\n", seen.said
    assert seen.remote == [] and seen.local == set() and left(work) == set()
