"""The engine's options: what goes together, and what the pipeline is told."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fer_live.errors import SourceError
from fer_live.realtime.datatypes import SourceInfo
from fer_live.realtime.engine_options import EngineOptions, engine_options

INFO = SourceInfo("clip.mp4", (1280, 720), Fraction(25), 100, is_live=False)


def parse(*arguments: str) -> EngineOptions:
    taken: list[EngineOptions] = []

    @click.command()
    @engine_options
    def command(**values: Any) -> None:
        taken.append(EngineOptions.taken_from(values))
        assert values == {}

    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return taken[0]


def test_by_default_the_engine_chooses() -> None:
    options = parse()
    expected = {"detect_every": None, "classify_every": None, "smooth": True, "target_latency_ms": None}
    expected |= {"calibrate_s": None}
    assert options.pipeline_arguments() == expected
    assert options.detect_size_for(INFO) == 640


def test_intervals_and_size_are_passed_on() -> None:
    options = parse("--detect-every", "3", "--classify-every", "2", "--detect-size", "320", "--no-smooth")
    expected = {"detect_every": 3, "classify_every": 2, "smooth": False, "target_latency_ms": None}
    expected |= {"calibrate_s": None}
    assert options.pipeline_arguments() == expected
    assert options.detect_size_for(INFO) == 320


def test_exact_looks_at_everything_at_full_resolution() -> None:
    options = parse("--exact")
    assert options.pipeline_arguments()["detect_every"] == options.pipeline_arguments()["classify_every"] == 1
    assert options.detect_size_for(INFO) == 1280
    assert options.detect_size_for(replace(INFO, size_wh=(1080, 1920))) == 1920


@pytest.mark.parametrize(
    "arguments",
    [
        ("--exact", "--detect-every", "2"),
        ("--exact", "--classify-every", "1"),
        ("--exact", "--detect-size", "640"),
        ("--exact", "--target-latency", "40"),
        ("--target-latency", "40", "--detect-every", "2"),
        ("--detect-every", "0"),
        ("--target-latency", "0"),
    ],
)
def test_contradictions_are_usage_errors(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError) as refused:
        parse(*arguments)
    assert arguments[-2] in refused.value.format_message()


def test_a_target_latency_needs_a_live_source() -> None:
    options = parse("--target-latency", "40")
    assert options.pipeline_arguments()["target_latency_ms"] == 40
    options.check_source(replace(INFO, is_live=True))
    with pytest.raises(SourceError, match=r"clip\.mp4.*--target-latency"):
        options.check_source(INFO)


def test_comparison_and_calibration_go_with_everything() -> None:
    options = parse("--exact", "--no-smooth", "--compare", "other.onnx", "--calibrate", "10")
    assert options.pipeline_arguments()["calibrate_s"] == 10 and options.compare == Path("other.onnx")
