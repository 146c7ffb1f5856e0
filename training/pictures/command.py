"""``fer-filters``: pictures of what a network learned.

The one module of this room that may import the live engine, and only when faces are to be found in a photo or clip
(docs/adr/0009): so the pictures show the crops that ``fer-live`` would classify.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_live.cli_errors import debug_option, run_command
from fer_live.contract import FER2013_LABELS
from fer_live.errors import ModelError, SourceError
from fer_live.training.data.option import DATA_HELP, load_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fer_live.contract import Contract
    from fer_live.realtime.datatypes import Detector, Frame

    from .learned import NamedFaces

__all__ = ["filters_command", "filters_main"]

SAMPLE_S = 0.5
"""Seconds between the frames of a clip that faces are looked for in."""


@click.command(epilog="An expression is how a face appears, not what a person feels.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write the pictures to.  [default: filters-MODEL]"
)
@click.option("--data", type=click.Path(path_type=Path), help=f"Show one face per class from PublicTest. {DATA_HELP}")
@click.option(
    "--photo",
    "photos",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Show the faces of a photo. May be given several times.",
)
@click.option("--video", type=click.Path(path_type=Path), help="Show faces from a clip, spread over its length.")
@click.option(
    "--faces",
    type=click.IntRange(1, 12),
    default=6,
    show_default=True,
    help="Largest number of faces from photos or a clip.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the choice of faces from --data."
)
@click.option(
    "--label",
    type=click.Choice(FER2013_LABELS),
    help="Also show where the network looks for this label.  [default: its second guess]",
)
@click.option(
    "--patch",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Side of the patch that covers the face, in px.",
)
@click.option(
    "--stride", type=click.IntRange(1), default=4, show_default=True, help="Step by which the patch moves, in px."
)
@click.option("--cam-layer", help="Layer that Grad-CAM reads.  [default: the stage of the last convolution]")
@click.version_option(package_name="fer-live", prog_name="fer-filters")
@debug_option
def filters_command(
    model: Path,
    out: Path | None,
    data: Path | None,
    photos: tuple[Path, ...],
    video: Path | None,
    faces: int,
    seed: int,
    label: str | None,
    patch: int,
    stride: int,
    cam_layer: str | None,
) -> None:
    """Show what MODEL, a model.pt from fer-train, learned: filters, layers, feature maps for faces, where it looks.

    \b
    fer-filters model.pt --photo photo.jpg
    fer-filters model.pt --data fer2013.csv --label happy

    Writes PNGs, and index.html with all of them on one page. Without faces it shows filters and layers only.
    """  # noqa: D301 -- click knows the control character, not a backslash and a b
    if sum((data is not None, bool(photos), video is not None)) > 1:
        raise click.UsageError("give only one of --data, --photo and --video")
    if stride > patch:
        raise click.UsageError(f"--stride {stride} is larger than --patch {patch}: parts of the face would be left out")
    if model.suffix.lower() == ".onnx":
        raise ModelError(f"{model}: can't be drawn, it is an ONNX model; give the model.pt that it was exported from")
    folder = out if out is not None else Path(f"filters-{model.stem}")

    from fer_live.training.checkpoint import load_checkpoint

    from .folder import check_folder, write_folder
    from .learned import LookSettings, learned_page

    check_folder(folder)  # before the long work
    checkpoint = load_checkpoint(model)
    contract = checkpoint.contract
    if patch > contract.size:
        raise click.UsageError(f"--patch {patch} is larger than a face, {contract.size} px")
    if label is not None and label not in contract.labels:
        raise click.UsageError(f"--label {label}: the labels of {model} are {', '.join(contract.labels)}")
    network = checkpoint.network()
    found: NamedFaces | None = None
    if data is not None:
        found = _faces_of_data(data, contract, seed)
    elif photos:
        found = _faces_of_photos(photos, contract, faces)
    elif video is not None:
        found = _faces_of_clip(video, contract, faces)
    name = f"{model.name} ({checkpoint.provenance.get('recipe', checkpoint.model.name)})"
    with _status() as say:
        settings = LookSettings(label=label, patch_px=patch, stride_px=stride, layer=cam_layer)
        page, pictures = learned_page(name, network, contract, found, settings, say)
    write_folder(folder, page, pictures)
    if found is None:
        click.echo(
            "no faces given, so filters and layers only; for maps and where it looks give --photo, --video or --data"
        )
    click.echo(f"written: {folder / 'index.html'} and {len(pictures)} pictures")


def _faces_of_data(path: Path, contract: Contract, seed: int) -> NamedFaces:
    from .learned import sample_faces

    return sample_faces(load_data(path), contract, seed)


def _faces_of_photos(paths: Sequence[Path], contract: Contract, most: int) -> NamedFaces:
    """The faces of photos, the surest of each first."""
    import numpy as np

    from fer_live.realtime.detectors.registry import create_detector
    from fer_live.realtime.sources.video_file import FileSource

    from .learned import NamedFaces

    crops: list[NDArray[np.uint8]] = []
    names: list[str] = []
    with create_detector(framing=contract.framing) as detector:
        for path in paths:
            with FileSource(path) as source:
                found = _crops(next(iter(source)), detector, contract)
            crops += list(found)
            names += [path.name if len(found) == 1 else f"{path.name}, face {n}" for n in range(1, len(found) + 1)]
    if not crops:
        raise SourceError(f"{', '.join(map(str, paths))}: no face found; give a photo that shows a face from the front")
    return NamedFaces(np.stack(crops[:most]), tuple(names[:most]))


def _faces_of_clip(path: Path, contract: Contract, most: int) -> NamedFaces:
    """The surest face of a frame each half second, and of those as many as wanted, spread over the clip."""
    import numpy as np

    from fer_live.realtime.detectors.registry import create_detector
    from fer_live.realtime.sources.video_file import FileSource

    from .learned import NamedFaces

    found: list[tuple[float, NDArray[np.uint8]]] = []
    with create_detector(framing=contract.framing) as detector, FileSource(path) as source, _status() as say:
        due_s = 0.0
        for frame in source:
            if frame.time_s < due_s:
                continue
            due_s = frame.time_s + SAMPLE_S
            say(f"looking for faces in {path}: {frame.time_s:.0f} s")
            found += [(frame.time_s, crop) for crop in _crops(frame, detector, contract)[:1]]
    if not found:
        raise SourceError(f"{path}: no face found; give a clip that shows a face from the front")
    spread = [found[number] for number in np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)]
    return NamedFaces(np.stack([crop for _, crop in spread]), tuple(f"{path.name}, {time:.1f} s" for time, _ in spread))


def _crops(frame: Frame, detector: Detector, contract: Contract) -> NDArray[np.uint8]:
    """The faces of a frame as the live engine crops them, (N, S, S), surest first."""
    from fer_live.preprocess import crop_faces

    squares = detector.detect(frame).squares
    return crop_faces(frame.y, squares, contract, limited_range=frame.limited_range)[:, 0]


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Shows on a terminal what is being done; says nothing elsewhere."""
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield status.update


def filters_main() -> None:
    """Entry point of ``fer-filters``."""
    sys.exit(run_command(filters_command, "fer-filters"))
