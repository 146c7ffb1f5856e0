import base64
import os
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from fer_live.cli_errors import run_command
from fer_live.errors import ModelError
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.pictures import folder as picture_folder
from fer_live.training.pictures.command import filters_command
from fer_live.training.pictures.diagram import MAX_STEPS, diagram_steps
from fer_live.training.pictures.drawing import Look, change_text, draw_filters, draw_looks
from fer_live.training.pictures.filters import FilterBank, filter_banks, strongest
from fer_live.training.pictures.learned import EVERY_LAYER, LookSettings, NamedFaces, learned_page, sample_faces
from fer_live.training.pictures.page import Picture, Section, picture_page
from fer_live.training.pictures.saliency import enlarge, grad_cam, last_conv_stage, occlusion
from fer_live.training.pictures.trace import readable_calls, trace
from fer_live.training.recipes.recipe import ModelSpec, Recipe, build_model, fer2013_contract
from fer_live.training.recipes.registry import RECIPES
from fer_live.training.recipes.summary import summarise
from fer_live.training.testing import synthetic_fer2013

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = fer2013_contract(("fer2013",))
HEAVY = ("resnet50", "efficientnet")
SMALL = ModelSpec("conv", {"widths": [4, 6], "pools": [1, 2], "dropout": 0.2, "hidden": [8]})


def networks() -> dict[str, Recipe]:
    """A recipe for each network: many differ in their training only."""
    different = {(recipe.model.to_json(), recipe.heads): recipe for recipe in reversed(RECIPES.values())}
    return {recipe.name: recipe for recipe in reversed(different.values())}


def marked(name: str) -> object:
    """ResNet-152 is made of what ResNet-50 is made of, three times as much of it, and takes as long as all others."""
    if name.startswith("resnet152"):
        return pytest.param(name, marks=pytest.mark.stress)
    return pytest.param(name, marks=pytest.mark.slow) if name.startswith(HEAVY) else name


def built(spec: ModelSpec, heads: tuple[str, ...] = ("fer2013",)) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(spec, fer2013_contract(heads)).eval()


def faces48(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 48, 48)).astype(np.uint8)


class OnePlaceNet(nn.Module):
    """Its first logit is the mean brightness of a square, the second that of the rest; nothing else counts."""

    def __init__(self, top: int, left: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)
        self.activation = nn.ReLU(inplace=True)
        self.square = (..., slice(top, top + side), slice(left, left + side))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.activation(self.conv(x))
        logits = torch.zeros(len(x), 7)
        logits[:, 0] = x[self.square].mean((1, 2, 3))
        return (logits,)


@given(st.integers(0, 36), st.integers(0, 36), st.integers(0, 99))
@settings(max_examples=10)
def test_both_maps_find_the_place_that_counts(top: int, left: int, seed: int) -> None:
    side, patch = 12, 8
    network = OnePlaceNet(top, left, side).eval()
    images = (faces48(2, seed) // 8 + 100).astype(np.uint8)  # about grey; the patch is 129
    images[:, top : top + side, left : left + side] = 250
    inside = np.zeros((48, 48), bool)
    inside[top : top + side, left : left + side] = True

    cam = grad_cam(network, images, CONTRACT, [0, 1], "activation")
    assert inside[np.unravel_index(cam[0].argmax(), (48, 48))]
    assert (cam >= 0).all()
    assert not cam[1].any()  # the second logit depends on nothing
    assert not cam[0][images[0] <= int(255 * CONTRACT.mean)].any()  # nor does what the layer holds back count

    fall = occlusion(network, images, CONTRACT, patch_px=patch, stride_px=4)
    assert inside[np.unravel_index(fall[0, :, :, 0].argmax(), (48, 48))]
    assert fall[0, :, :, 0].max() > 0.05
    reached = cv2.dilate(inside.astype(np.uint8), np.ones((2 * patch + 1, 2 * patch + 1), np.uint8)).astype(bool)
    np.testing.assert_allclose(fall[:, ~reached], 0, atol=1e-5)
    np.testing.assert_allclose(fall.sum(-1), 0, atol=1e-5)  # what one label loses the others gain


def test_grad_cam_is_its_definition_on_the_last_layer_before_a_mean() -> None:
    """There the slope on a map is the head's weight over h w (Selvaraju et al. 2017, section 3.1)."""
    network = built(RECIPES["residual_tiny"].model)
    images = faces48(3)
    calls = trace(network, torch.from_numpy((images[:, None] / 255 - CONTRACT.mean) / CONTRACT.std).float())
    layer = last_conv_stage(calls)
    maps = next(call.output for call in calls if call.name == layer)
    weight = network.heads[0].weight[2].detach()  # type: ignore[index,union-attr]
    expected = torch.relu((weight[None, :, None, None] * maps).sum(1)) / (maps.shape[2] * maps.shape[3])
    assert layer == "stages"
    np.testing.assert_allclose(grad_cam(network, images, CONTRACT, [2] * 3, "stages"), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("patch", "stride"), [(0, 0), (4, 5), (49, 4), (8, 0)])
def test_occlusion_refuses_what_does_not_fit(patch: int, stride: int) -> None:
    with pytest.raises(ValueError, match="stride"):
        occlusion(built(SMALL), faces48(1), CONTRACT, patch_px=patch, stride_px=stride)


@pytest.mark.parametrize("layer", ["", "nothing", "heads.0", "classifier.linear1"])
def test_grad_cam_refuses_layers_without_maps(layer: str) -> None:
    with pytest.raises(ModelError, match="layer"):
        grad_cam(built(SMALL), faces48(1), CONTRACT, [0], layer)


def test_enlarged_maps_keep_their_mean_place() -> None:
    maps = np.zeros((1, 6, 6), np.float32)
    maps[0, 4, 1] = 1
    large = enlarge(maps, 48)
    assert large.shape == (1, 48, 48)
    rows, columns = np.mgrid[:48, :48] + 0.5
    assert (large[0] * rows).sum() / large.sum() == pytest.approx(4.5 * 8, abs=0.5)
    assert (large[0] * columns).sum() / large.sum() == pytest.approx(1.5 * 8, abs=0.5)


@pytest.mark.parametrize("name", [marked(name) for name in networks()])
def test_structure_of_every_recipe(name: str) -> None:
    """Every convolution has its filters once; the diagram's shapes are those that a run without arithmetic finds."""
    recipe = networks()[name]
    network = built(recipe.model, recipe.heads)
    summary = summarise(recipe.model, recipe.contract())

    banks = filter_banks(network, 48)
    convs = [layer.name for layer in summary.layers if layer.kind == "Conv2d"]
    assert [bank.name for bank in banks] == (convs or ["classifier.linear1"])
    for bank in banks:
        assert bank.weight.ndim == 4
        assert np.isfinite(bank.weight).all()

    shapes: dict[str, list[tuple[int, ...]]] = {}
    for layer in summary.layers:
        shapes.setdefault(layer.name, []).append(layer.shape)
    for limit in (MAX_STEPS, EVERY_LAYER):
        steps = diagram_steps(network, recipe.contract(), limit)
        assert steps[0].shape == (1, 48, 48)
        assert sum(step.parameters for step in steps) == summary.parameters
        assert [step.shape for step in steps if step.family == "head"] == [
            (len(head.labels),) for head in recipe.contract().heads
        ]
        for step in steps:
            if step.name in shapes:
                assert step.shape in shapes[step.name]
        if limit == MAX_STEPS:
            assert len([step for step in steps if step.name]) <= MAX_STEPS
    stage = last_conv_stage(trace(network, torch.zeros(1, 1, 48, 48)))
    assert (stage is None) == (not convs)
    if stage is not None:
        cam = grad_cam(network, faces48(1), recipe.contract(), [3], stage)
        assert cam.ndim == 3
        assert np.isfinite(cam).all()


@pytest.mark.parametrize("name", ["residual_tiny", "resnet18_transfer"])
def test_a_path_beside_others_is_drawn_from_where_it_leaves_to_where_they_are_added(name: str) -> None:
    recipe = networks()[name]
    steps = diagram_steps(built(recipe.model, recipe.heads), recipe.contract(), EVERY_LAYER)
    beside = [row for row, step in enumerate(steps) if step.of and step.of[0] != row - 1 and step.family != "head"]
    shortcut = ".shortcut.0" if name == "residual_tiny" else ".downsample.0"
    assert [steps[row].name for row in beside] == [step.name for step in steps if step.name.endswith(shortcut)]
    for row in beside:
        first = next(number for number, step in enumerate(steps) if step.name and step.of == steps[row].of)
        block = steps[first].name.rpartition(".")[0]
        assert steps[row].name.startswith(f"{block}.")
        added = next(step for step in steps[row:] if "sum" in step.kind)
        assert added.of == (row + 1, row - 1)  # the norm of the path beside, and what the block's layers gave
    sums = [step for step in steps if "sum" in step.kind]
    assert len(sums) == (3 if name == "residual_tiny" else 8)  # one a block


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [marked(name) for name in networks()])
def test_page_of_every_recipe(name: str) -> None:
    recipe = networks()[name]
    network = built(recipe.model, recipe.heads)
    faces = NamedFaces(faces48(2), ("one", "two"))
    page, pictures = learned_page(name, network, recipe.contract(), faces, LookSettings(patch_px=24, stride_px=24))
    assert len({picture.name for picture in pictures}) == len(pictures)
    assert page.count("<img ") == len(pictures)


def test_readable_calls_open_blocks_only_as_far_as_wanted() -> None:
    network = built(RECIPES["residual"].model)
    calls = trace(network, torch.zeros(1, 1, 48, 48))
    few, many = readable_calls(network, calls, 14), readable_calls(network, calls, 1000)
    assert [call.name for call in few if call.name.startswith("stages")] == [f"stages.{n}" for n in range(6)]
    assert "stages.5.conv2" in {call.name for call in many}
    assert [call.turn for call in many if call.name == "stages.0.activation"] == [0, 1]
    assert few[-1].name == "heads.0"


def test_trace_is_not_changed_by_layers_that_work_in_place() -> None:
    network = OnePlaceNet(0, 0, 8).eval()
    conv, activation = trace(network, torch.full((1, 1, 48, 48), -1.0))
    assert (conv.output == -1).all()
    assert (activation.output == 0).all()


def test_grey_copied_to_three_channels_is_shown_as_the_sum() -> None:
    network = built(ModelSpec("transfer", {"backbone": "resnet18"}))
    first = filter_banks(network, 48)[0]
    weight = network.get_parameter("backbone.conv1.weight").detach().sum(1, keepdim=True)
    np.testing.assert_allclose(first.weight, weight, atol=1e-6)
    with_edges = built(ModelSpec("transfer", {"backbone": "resnet18", "edges": True}))
    assert filter_banks(with_edges, 48)[0].weight.shape[1] == 3


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
@settings(max_examples=15)
def test_strongest_slices_come_first(filters: int, inputs: int, seed: int) -> None:
    bank = filter_banks(built(ModelSpec("conv", {"widths": [6, 9]})), 48)[1]
    rows, columns, share = strongest(bank, filters, inputs)
    norms = np.linalg.norm(bank.weight.reshape(9, 6, -1), axis=2)
    assert len(rows) == min(filters, 9)
    assert (np.diff(np.linalg.norm(norms, axis=1)[rows]) <= 1e-6).all()
    assert (np.diff(norms[rows[:, None], columns], axis=1) <= 1e-6).all()
    assert share == pytest.approx((norms[rows[:, None], columns] ** 2).sum() / (norms**2).sum(), rel=1e-4)


def test_sample_has_one_public_face_a_class_and_repeats_with_its_seed() -> None:
    dataset = synthetic_fer2013(700)
    one, same, other = (sample_faces(dataset, CONTRACT, seed) for seed in (1, 1, 2))
    assert one.names == tuple(f"labelled {label}" for label in CONTRACT.labels)
    assert np.array_equal(one.images, same.images)
    assert not np.array_equal(one.images, other.images)
    public = {image.tobytes() for image in dataset.images[dataset.rows(1)]}  # type: ignore[arg-type]
    assert {image.tobytes() for image in one.images} <= public


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_page_fetches_nothing_and_shows_text_as_text() -> None:
    png = b"\x89PNG not really"
    sections = [Section("A & B", ["<script>1</script>"], [Picture("x/y", '"alt"', png)], [("<b>", "c"), ("1", "2")])]
    html = picture_page("<title>", "lead", sections)
    found = Links(html)
    assert set(found.tags).isdisjoint({"script", "link", "iframe", "b", "object"})
    assert found.links == ["#s0", f"data:image/png;base64,{base64.b64encode(png).decode()}"]
    assert set(found.ids) == {"s0", "x/y"}
    assert not re.search(r"url\(|@import|https?:", html)
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.pt"
    save_checkpoint(path, Checkpoint(CONTRACT, SMALL, built(SMALL).state_dict(), {"recipe": "small"}))
    return path


def run(*arguments: object) -> int:
    return run_command(filters_command, "fer-filters", list(map(str, arguments)))


FAST = ("--patch", 24, "--stride", 24)


def test_photo_through_the_detector(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    photo = ROOT / "samples" / "astronaut.jpg"
    assert run(model, "--photo", photo, "--photo", photo, "--out", out, "--label", "sad", *FAST) == 0
    page = (out / "index.html").read_text()
    pictures = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert {
        "layers.png",
        "where_it_looks.png",
        "filters/001_blocks.0.conv.png",
        "maps/001_blocks.0.conv.png",
    } < pictures
    assert {f"{name}.png" for name in Links(page).ids if not re.fullmatch(r"s\d", name)} == pictures
    for path in pictures:
        assert cv2.imread(str(out / path)).std() > 0, path
    assert len(list(out.parent.iterdir())) == 1
    # Again, with less: what the first run wrote is gone.
    assert run(model, "--out", out) == 0
    assert "no faces given" in capsys.readouterr().out
    assert not (out / "where_it_looks.png").exists()
    assert "--photo" in (out / "index.html").read_text()


def test_clip_and_data(model: Path, tmp_path: Path) -> None:
    clip = ROOT / "samples" / "astronaut.mp4"
    assert run(model, "--video", clip, "--faces", 2, "--out", tmp_path / "clip", *FAST) == 0
    dataset = synthetic_fer2013(140)
    np.savez(tmp_path / "d.npz", images=dataset.images, emotion=dataset.expression, usage=dataset.usage)
    assert run(model, "--data", tmp_path / "d.npz", "--out", tmp_path / "data", *FAST) == 0
    for name in ("clip", "data"):
        assert (tmp_path / name / "where_it_looks.png").is_file()


@pytest.mark.parametrize(
    ("fall", "text"),
    [
        ([0.124, -0.0041], "12 points less, 0.4 more"),
        ([0.01, -0.0005], "1 point less, < 0.1 more"),
        ([0.0102, -0.413], "1 point less, 41 more"),
        ([0.00097e-2, -0.0000001], "< 0.1 points either way"),
        ([0.0003, -0.02], "< 0.1 points less, 2 more"),
        ([0.0996, 0.01], "10 points less, never more"),
        ([-0.01, -0.002], "never less, 1 point more"),
        ([-0.02, 0.0], "never less, 2 points more"),
        ([0.0, 0.0], "never less, never more"),
    ],
)
def test_changes_are_told_in_points(fall: list[float], text: str) -> None:
    assert change_text(np.array([fall], np.float32)) == text


def drawn_by(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    return drawn


@pytest.mark.parametrize("with_cam", [True, False])
def test_titles_of_faces_do_not_touch(with_cam: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cam = np.ones((6, 6), np.float32) if with_cam else None
    fall = np.linspace(0.123, -0.456, 48 * 48, dtype=np.float32).reshape(48, 48)
    look = Look("surprise 100 %", cam, fall)
    drawn = drawn_by(monkeypatch)
    names = ("photo-" * 12 + ".jpg, face 10", "short.jpg")
    draw_looks(BytesIO(), "title", "note", faces48(2), names, [[look, look]] * 2)
    renderer = FigureCanvasAgg(drawn[0]).get_renderer()
    texts = [
        text for text in drawn[0].axes[0].texts if text.get_position()[1] < drawn[0].axes[0].texts[1].get_position()[1]
    ]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert len(boxes) == 2 * (1 + 2 * 2)
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])
    assert texts[0].get_text().startswith("photo-") and "…" in texts[0].get_text()
    assert texts[5].get_text() == "short.jpg"


def test_next_to_nothing_is_pale(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawn_by(monkeypatch)
    for most, strongest_colour in ((0.00001, 0.05), (0.005, 0.6), (0.2, 0.851)):
        look = Look("sad 50 %", None, np.full((48, 48), most, np.float32))
        draw_looks(BytesIO(), "title", "note", faces48(1), ("a",), [[look]])
        overlay = drawn[-1].axes[0].images[-1]
        assert float(np.max(overlay.get_alpha())) <= strongest_colour
    assert float(np.max(overlay.get_alpha())) == pytest.approx(0.85)


def test_all_slices_of_a_filter_are_called_all(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawn_by(monkeypatch)
    for inputs, told in ((16, "of each all 16 input slices"), (20, "of each the 16 of 20 input slices")):
        draw_filters(BytesIO(), FilterBank("x", "conv", np.ones((4, inputs, 3, 3), np.float32)))
        note = " ".join(drawn[-1].axes[0].texts[1].get_text().split())
        assert told in note and "all 4 filters" in note


def test_net_without_convolutions(tmp_path: Path) -> None:
    network = built(RECIPES["feedforward"].model)
    page, pictures = learned_page(
        "f", network, CONTRACT, NamedFaces(faces48(1), ("one",)), LookSettings(patch_px=24, stride_px=24)
    )
    names = [picture.name for picture in pictures]
    assert names == ["where_it_looks", "layers", "filters/001_classifier.linear1", "maps/001_units"]
    assert "has no convolutions" in page


def test_bad_input_is_one_line(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((200, 200), 128, np.uint8))
    text = tmp_path / "words.pt"
    text.write_text("words")
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    cases: list[tuple[int, str, list[object]]] = [
        (1, "no face found", [model, "--photo", grey]),
        (1, "no face found", [model, "--video", grey]),
        (1, "no such file", [model, "--photo", tmp_path / "none.jpg"]),
        (1, "no such file", [tmp_path / "none.pt"]),
        (1, "not a checkpoint", [text]),
        (1, "the model.pt that it was exported from", [tmp_path / "model.onnx"]),
        (1, "holds other files (thesis.txt)", [model, "--out", full]),
        (1, "a file, not a folder", [model, "--out", text]),
        (1, "no layer 'nothing'", [model, "--photo", ROOT / "samples" / "astronaut.jpg", "--cam-layer", "nothing"]),
        (2, "one of --data, --photo and --video", [model, "--photo", grey, "--data", grey]),
        (2, "is larger than a face", [model, "--patch", "49"]),
        (2, "is larger than --patch", [model, "--patch", "4", "--stride", "5"]),
        (2, "--label", [model, "--label", "bored"]),
    ]
    for code, message, arguments in cases:
        out = [] if "--out" in arguments else ["--out", tmp_path / "out"]
        assert run(*arguments, *out) == code, message
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert (full / "thesis.txt").read_text() == "mine"


def test_what_stood_there_survives_a_failure_to_write(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(model, "--out", out) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    replace = os.replace

    def full_disk(source: Path, target: Path) -> None:
        if source.name == "made":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(picture_folder.os, "replace", full_disk)
    assert run(model, "--out", out) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert list(tmp_path.iterdir()) == [out]
