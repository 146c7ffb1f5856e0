"""Cases by their seeds, in child processes: one that kills its process or hangs is told with its seed."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CASE_S = 60.0
"""How long one case may take; the machine may be busy."""

RunSeeds = Callable[..., list[str]]


@pytest.fixture
def run_seeds() -> RunSeeds:
    """Runs the cases of a file beside this one for all seeds below ``count``; fails on any problem.

    Returns how each ended.
    """

    def run(script: str, folder: Path, count: int, case_s: float = CASE_S) -> list[str]:
        outcomes: list[str] = []
        problems: list[str] = []
        seed = 0
        while seed < count and len(problems) < 20:
            for told in _child(script, folder, seed, count, case_s):
                seed = told["seed"] + 1
                if told["problem"]:
                    problems.append(f"seed {told['seed']}: {told['problem']}")
                else:
                    outcomes.append(told["outcome"])
        assert not problems, f"{len(problems)} problems; files in {folder}\n" + "\n".join(problems)
        assert len(outcomes) == count
        return outcomes

    return run


def _child(script: str, folder: Path, first: int, end: int, case_s: float) -> Iterator[dict]:
    """What a child tells of each case; of the one that it died of or hung in, too."""
    errors = folder / f"{Path(script).stem}.stderr"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name(script), folder, str(first), str(end)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda out=process.stdout: [*map(lines.put, out), lines.put("")], daemon=True)
    reader.start()
    seed, begun = first, False
    try:
        while line := lines.get(timeout=case_s):
            told = json.loads(line)
            seed, begun = told["seed"], "outcome" not in told
            if not begun:
                yield told
        code = process.wait(case_s)
        if begun or code != 0 or seed != end - 1:
            yield {"seed": seed, "problem": f"the process ended with {code}: {errors.read_text()[-2000:]}"}
    except (queue.Empty, subprocess.TimeoutExpired):
        yield {"seed": seed, "problem": f"hung for {case_s:.0f} s"}
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
