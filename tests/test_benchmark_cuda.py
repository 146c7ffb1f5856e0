import subprocess
import sys
from pathlib import Path

import pytest

from fer_live.realtime.inference.cuda_driver import why_no_cuda


def test_without_a_gpu_it_ends_with_one_line() -> None:
    no_cuda = why_no_cuda()
    if no_cuda is None:
        pytest.skip("there is a GPU here")
    script = Path(__file__).parents[1] / "benchmarks" / "cuda.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == f"benchmarks/cuda.py: nothing to measure: {no_cuda.reason}"
