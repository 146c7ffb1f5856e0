"""All pictures of what a network learned, put together as one page: layers, where it looks, filters, maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fer_live.contract import Contract
from fer_live.errors import DataError
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.logits import crops_of, normalise, predict_logits, probabilities_of

from .diagram import diagram_steps, draw_diagram, shape_text
from .drawing import Look, draw_feature_maps, draw_filters, draw_looks, draw_units
from .filters import filter_banks
from .layer_text import family_of
from .page import Picture, Section, picture_page
from .saliency import grad_cam, last_conv_stage, occlusion
from .trace import Call, readable_calls, trace

__all__ = ["LookSettings", "NamedFaces", "learned_page", "learned_sections", "sample_faces"]

MAX_MAPS = 64
"""A network with more layers than this is shown by blocks, or by stages."""

EVERY_LAYER = 10_000


@dataclass(frozen=True, slots=True)
class NamedFaces:
    """Faces to look at: ``images`` (N, S, S) uint8, of the contract's size, N >= 1, and a short name for each."""

    images: NDArray[np.uint8]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or not len(self.images) or len(self.images) != len(self.names):
            raise ValueError(f"expected (N, S, S) images and N names, found {self.images.shape}, {len(self.names)}")


@dataclass(frozen=True, slots=True)
class LookSettings:
    """How to find out where a network looks.

    ``label``: looked for beside the predicted one; None for the second most probable. ``patch_px``, ``stride_px``: of
    the occlusion. ``layer``: that Grad-CAM looks at, None for the last convolution's stage.
    """

    label: str | None = None
    patch_px: int = 16
    stride_px: int = 4
    layer: str | None = None


def sample_faces(dataset: Fer2013, contract: Contract, seed: int) -> NamedFaces:
    """One PublicTest image of each class, drawn by the seed.

    Raises:
        DataError: the data set has no PublicTest image.
    """
    generator = np.random.default_rng(seed)
    public = dataset.rows(Usage.PublicTest)
    rows, names = [], []
    for number, label in enumerate(contract.labels):
        of_class = public[dataset.expression[public] == number]
        if len(of_class):
            rows.append(int(generator.choice(of_class)))
            names.append(f"labelled {label}")
    if not rows:
        raise DataError("the data set has no image of PublicTest; the official fer2013.csv has some")
    return NamedFaces(crops_of(dataset.images[rows], contract)[:, 0], tuple(names))


def learned_page(
    name: str,
    network: nn.Module,
    contract: Contract,
    faces: NamedFaces | None,
    settings: LookSettings,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[str, list[Picture]]:
    """The page of :func:`learned_sections` as HTML, and its pictures."""
    sections = learned_sections(name, network, contract, faces, settings, say)
    lead = "What a network learned, drawn by fer-filters from its checkpoint."
    if faces is None:
        lead += (
            " No faces were given, so there are no maps and no look at where it looks: add --photo photo.jpg, "
            "--video clip.mp4 or --data fer2013.csv."
        )
    pictures = [picture for section in sections for picture in section.pictures]
    return picture_page(name, lead, sections), pictures


def learned_sections(
    name: str,
    network: nn.Module,
    contract: Contract,
    faces: NamedFaces | None,
    settings: LookSettings,
    say: Callable[[str], None] = lambda _: None,
) -> list[Section]:
    """The sections of the page; another report may take them as they are.

    Args:
        name: of the model, for titles.
        network: in evaluation mode, float32, on the CPU.
        contract: of the network.
        faces: to look at; None leaves out what needs them.
        settings: how to look.
        say: is told what is being drawn.

    Raises:
        ModelError: ``settings.layer`` is none that gives maps.
    """
    sections: list[Section] = []
    if faces is not None:
        say("where it looks")
        sections.append(_looks(name, network, contract, faces, settings))
    say("layers")
    sections.append(_layers(name, network, contract))
    sections.append(_filters(network, contract, say))
    if faces is not None:
        sections.append(_maps(network, contract, faces, say))
    return sections


def _looks(name: str, network: nn.Module, contract: Contract, faces: NamedFaces, settings: LookSettings) -> Section:
    calls = trace(network, torch.zeros(1, 1, contract.size, contract.size))
    layer = settings.layer or last_conv_stage(calls)
    logits = predict_logits(network, faces.images, contract, torch.device("cpu"))[0]
    probabilities = probabilities_of(logits, contract.heads[0].temperature)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    second = order[:, 1]
    if settings.label is not None:
        second = np.full(len(order), contract.labels.index(settings.label))
    wanted = [order[:, 0], second]
    falls = occlusion(
        network, faces.images, contract, patch_px=settings.patch_px, stride_px=settings.stride_px
    )  # (N, S, S, C)
    looks: list[list[Look]] = [[] for _ in faces.names]
    for labels in wanted:
        cams = None if layer is None else grad_cam(network, faces.images, contract, labels.tolist(), layer)
        for number, label in enumerate(labels):
            said = f"{contract.labels[label]} {100 * probabilities[number, label]:.0f} %"
            looks[number].append(Look(said, None if cams is None else cams[number], falls[number, :, :, label]))
    covered = (
        f"occlusion, a grey patch of {settings.patch_px} px every {settings.stride_px} px; red: covered, the label is "
        "less probable, blue: more"
    )
    if layer is None:
        how = f"{covered[0].upper()}{covered[1:]}. There are no convolutions, so Grad-CAM has no maps to look at."
    else:
        size = shape_text(next(call.shape for call in calls if call.name == layer)[1:])
        how = f"Left: Grad-CAM of {layer} ({size}, enlarged); bright: speaks for the label. Right: {covered}."
    beside = "the label asked for" if settings.label is not None else "its second guess"
    note = (
        f"{how} The caption: the most that covering takes from the label and adds to it; a face's colours reach to "
        f"its greatest change, 1 point at least. First the predicted label, then {beside}; probabilities are "
        f"calibrated, of the head {contract.heads[0].name}."
    )
    picture = _picture(
        "where_it_looks",
        "each face with heat maps of Grad-CAM and occlusion for two labels",
        lambda target: draw_looks(target, f"{name}: where it looks", note, faces.images, faces.names, looks),
    )
    why = (
        "Grad-CAM (Selvaraju et al. 2017) shows where the last maps that speak for a label are strong; it is as coarse "
        "as those maps. Occlusion (Zeiler & Fergus 2014) covers one place after another and watches the probability. "
        "Where both agree, the network probably does look there; neither says that it looks at the right thing."
    )
    return Section("Where it looks", [why], [picture])


def _layers(name: str, network: nn.Module, contract: Contract) -> Section:
    picture = _picture(
        "layers",
        "the layers from the face to the heads with their shapes and parameters",
        lambda target: draw_diagram(target, f"{name}: layers", network, contract),
    )
    drawn, every = diagram_steps(network, contract), diagram_steps(network, contract, EVERY_LAYER)
    if len(drawn) == len(every):
        return Section("Layers", [], [picture])
    table = [("layer", "kind", "gives", "parameters")]
    table += [(step.name, step.kind, shape_text(step.shape), f"{step.parameters:,}") for step in every]
    told = f"The diagram shows blocks; all {len(every) - 1} steps are in the table below it."
    return Section("Layers", [told], [picture], table)


def _filters(network: nn.Module, contract: Contract, say: Callable[[str], None]) -> Section:
    banks = filter_banks(network, contract.size)
    pictures = []
    for number, bank in enumerate(banks, 1):
        say(f"filters: layer {number} of {len(banks)}")
        pictures.append(
            _picture(
                f"filters/{number:03}_{bank.name}",
                f"filters of {bank.name}, {bank.kind}",
                lambda target, bank=bank: draw_filters(target, bank),  # type: ignore[misc]
            )
        )
    if not banks:
        return Section("Filters", ["This network has no convolutions and no layer that reads the face's pixels."])
    grey = "Grey is 0, white positive, black negative, by one scale for each picture"
    if banks[0].kind == "linear":
        text = f"This network has no convolutions, so no filters: what its first layer's units weigh is shown. {grey}."
    else:
        text = f"Every convolution, in the order they run. {grey}; matrices of 1 x 1 convolutions are blue to red."
    return Section("Filters", [text], pictures)


def _maps(network: nn.Module, contract: Contract, faces: NamedFaces, say: Callable[[str], None]) -> Section:
    x = normalise(torch.from_numpy(faces.images)[:, None], contract)
    calls = trace(network, x)
    layers = readable_calls(network, [call for call in calls if _is_shown(call)], MAX_MAPS)
    maps = [call for call in layers if call.is_map]
    pictures = []
    for number, call in enumerate(maps, 1):
        say(f"maps: layer {number} of {len(maps)}")
        pictures.append(
            _picture(
                f"maps/{number:03}_{call.name}" + (f"_run{call.turn + 1}" if call.turn else ""),
                f"maps that {call.name} gives for the faces",
                lambda target, call=call: draw_feature_maps(target, call, faces.images),  # type: ignore[misc]
            )
        )
    flat = [call for call in layers if call.output.ndim == 2 and not call.name.startswith("heads.")]
    if flat:
        pictures.append(
            _picture(
                f"maps/{len(maps) + 1:03}_units",
                "numbers that the layers without maps give for the faces",
                lambda target: draw_units(target, flat, faces.names),
            )
        )
    every = len(layers) == sum(not list(call.module.children()) for call in layers)
    what = "every layer" if every else "blocks and single layers"
    text = f"What {what} of the network gives for these faces, in the order they run; dropout does nothing here."
    return Section("Maps", [text], pictures)


def _is_shown(call: Call) -> bool:
    """Whether a module does something when it is not trained."""
    return family_of(call.module) != "dropout"


def _picture(name: str, alt: str, draw: Callable[[BytesIO], None]) -> Picture:
    target = BytesIO()
    draw(target)
    return Picture(name, alt, target.getvalue())
