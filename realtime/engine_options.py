"""The options of ``fer-live`` that say how faces are found and read, and the models that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import click

from fer_live.cli_options import with_options
from fer_live.errors import SourceError

if TYPE_CHECKING:
    from fer_live.contract import Framing

    from .datatypes import Detector, SourceInfo
    from .inference.classifier import OnnxClassifier

__all__ = ["EngineOptions", "engine_options", "open_detector", "open_model", "open_models"]

F = TypeVar("F", bound=Callable[..., Any])

DETECT_SIZE = 640
LEAST_DETECT_SIZE = 64


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What was asked for; ``None`` where the engine chooses. ``models``: a folder of more to choose from in a run."""

    model: Path | None = None
    models: Path | None = None
    detector: str = "yunet"
    detect_size: int | None = None
    verify_eyes: bool | None = None
    device: str = "auto"
    threads: int = 1
    detect_every: int | None = None
    classify_every: int | None = None
    exact: bool = False
    smooth: bool = True
    target_latency: float | None = None
    compare: Path | None = None
    calibrate: float | None = None

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Self:
        """The values of these options, which are removed from a command's.

        Raises:
            click.UsageError: they don't go together.
        """
        options = cls(**{field.name: values.pop(field.name) for field in fields(cls)})
        intervals = {"--detect-every": options.detect_every, "--classify-every": options.classify_every}
        tuned = [name for name, value in intervals.items() if value is not None]
        if options.exact:
            sized = ["--detect-size"] if options.detect_size is not None else []
            latency = ["--target-latency"] if options.target_latency is not None else []
            if contrary := [*tuned, *sized, *latency]:
                raise click.UsageError(f"--exact looks at everything; it doesn't go with {' and '.join(contrary)}")
        elif options.target_latency is not None and tuned:
            raise click.UsageError(f"--target-latency chooses for itself what {' and '.join(tuned)} would fix")
        return options

    def pipeline_arguments(self) -> dict[str, Any]:
        """How :class:`~.pipeline.Pipeline` is to work."""
        return {
            "detect_every": 1 if self.exact else self.detect_every,
            "classify_every": 1 if self.exact else self.classify_every,
            "smooth": self.smooth,
            "target_latency_ms": self.target_latency,
            "calibrate_s": self.calibrate,
        }

    def detect_size_for(self, info: SourceInfo) -> int:
        """Longer side of the copy of a source's frames that is searched, pixels."""
        return max(LEAST_DETECT_SIZE, *info.size_wh) if self.exact else self.detect_size or DETECT_SIZE

    def check_source(self, info: SourceInfo) -> None:
        """See that the source goes with the options.

        Raises:
            SourceError: it doesn't.
        """
        if self.target_latency is not None and not info.is_live:
            raise SourceError(f"{info.name}: is not live, so nothing can be late; leave out --target-latency")


def open_models(
    options: EngineOptions, info: SourceInfo, stack: ExitStack, tell: Callable[[str], None]
) -> tuple[Detector, OnnxClassifier]:
    """The detector, closed with the stack, and the classifier for a source; ``tell`` gets what a user should know."""
    classifier = open_model(options, info, tell)
    return stack.enter_context(open_detector(options, info, classifier.contract.framing)), classifier


def open_model(options: EngineOptions, info: SourceInfo, tell: Callable[[str], None]) -> OnnxClassifier:
    """The classifier for a source; ``tell`` gets what a user should know.

    Raises:
        ModelError: it can't be used.
        DeviceError: CUDA was asked for and can't be used.
    """
    import cv2

    from .inference.classifier import Device
    from .inference.device_choice import likely_batch, open_classifier

    # The stages are the threads; OpenCV's own would take their cores.
    cv2.setNumThreads(1)
    device: Device | Literal["auto"] = "auto" if options.device == "auto" else Device(options.device)
    choice = open_classifier(options.model, device, options.threads, batch=likely_batch(info.is_live))
    if choice.warning is not None:
        tell(f"warning: {choice.warning}")
    if choice.reason is not None:
        tell(choice.reason)
    if info.is_live:
        # A file can wait for a batch size that it has not had; a camera's view must not stand.
        choice.classifier.warm_up()
    return choice.classifier


def open_detector(options: EngineOptions, info: SourceInfo, framing: Framing) -> Detector:
    """The detector for a source, to be closed by who asks; ``framing`` is of the classifier's contract.

    Raises:
        ModelError: weights are missing or can't be loaded.
        DeviceError: the package that it needs is not installed.
    """
    from .detectors.registry import create_detector

    return create_detector(
        options.detector,
        detect_size=options.detect_size_for(info),
        verify_eyes=options.verify_eyes,
        framing=framing,
    )


def engine_options(command: F) -> F:
    """Add them to a command."""
    options = [
        click.option(
            "--model",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Use this .onnx, written by fer-export, instead of the bundled one.",
        ),
        click.option(
            "--models",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            metavar="DIR",
            help="Also offer the .onnx files in this folder where the model can be changed: in the window (key m) and "
            "on the page of --serve.",
        ),
        click.option(
            "--detector",
            type=click.Choice(["yunet", "mediapipe", "haar"]),
            default="yunet",
            show_default=True,
            help="What finds the faces. mediapipe needs the extra fer-live[mediapipe].",
        ),
        click.option(
            "--detect-size",
            type=click.IntRange(LEAST_DETECT_SIZE, 8192),
            metavar="PX",
            help="Longer side of the copy that faces are searched in: larger finds smaller faces and takes longer.  "
            f"[default: {DETECT_SIZE}]",
        ),
        click.option(
            "--verify-eyes/--no-verify-eyes",
            default=None,
            help="Keep a face only where eyes are found in it (Haar).  [default: with --detector haar]",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where the expression model runs: auto takes what is faster, cuda fails if CUDA cannot be used.",
        ),
        click.option(
            "--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="CPU threads of the model."
        ),
        click.option(
            "--detect-every",
            type=click.IntRange(1),
            metavar="N",
            help="Search every N-th frame for faces and follow them in between.  [default: as the scene needs]",
        ),
        click.option(
            "--classify-every",
            type=click.IntRange(1),
            metavar="N",
            help="Read each face on every N-th frame, at least twice a second.  [default: about six times a second]",
        ),
        click.option(
            "--exact", is_flag=True, help="Search every frame at full resolution and read every face of it; slow."
        ),
        click.option(
            "--smooth/--no-smooth",
            default=True,
            help="Steady the expressions over time, or show each answer of the model as it is.  [default: smooth]",
        ),
        click.option(
            "--target-latency",
            type=click.FloatRange(1, 10_000),
            metavar="MS",
            help="Live: spend less on finding and reading faces when frames come out later than this.",
        ),
        click.option(
            "--compare",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Also read every face with this .onnx: show and save both answers, and count where they differ.",
        ),
        click.option(
            "--calibrate",
            type=click.FloatRange(1, 600),
            metavar="SECONDS",
            help="Learn each face's neutral during its first seconds in sight, then show how it changes from that.",
        ),
    ]
    return with_options(command, options, heading="Finding and reading faces")
