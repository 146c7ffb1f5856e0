import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.cli_errors import run_command
from fer_live.errors import DataError, SinkError
from fer_live.training.checkpoint import save_checkpoint
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.compare import Comparison, Settings, compare, model_names
from fer_live.training.evaluation.corruptions import CORRUPTIONS
from fer_live.training.evaluation.robustness import PASSES, robustness_rows
from fer_live.training.evaluation.selective import operating_point, risk_coverage, threshold_for
from fer_live.training.evaluation.splits import Answers
from fer_live.training.recipes.registry import fer2013_contract
from fer_live.training.report.aims import aims_table
from fer_live.training.report.command import eval_command
from fer_live.training.report.folder import figures_of, write_report
from fer_live.training.report.model_card import BEGIN, END, check_card, write_card
from fer_live.training.report.plots import MOST_MODELS
from fer_live.training.report.tables import tables_of
from fer_live.training.testing import untrained_checkpoint


class Waves:
    """Tells the drawn patterns apart by their contrast and likeness to a mean image, some worse than others."""

    runtime = "by hand"

    def __init__(self, dataset: Fer2013, blindness: float, *, heads: int = 2) -> None:
        contract = fer2013_contract()
        self.contract = replace(contract, heads=contract.heads[:heads])
        self.provenance: dict[str, Any] = {}
        rows = dataset.rows(Usage.Training)
        self._means = np.stack(
            [dataset.images[rows][dataset.expression[rows] == label].mean(axis=0) for label in range(7)]
        ).reshape(7, -1)
        self._blindness = blindness

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        distance = ((images.reshape(len(images), 1, -1) - self._means) ** 2).mean(axis=2)
        grain = np.random.default_rng(7).normal(0, self._blindness, (len(images), 7))
        logits = -distance / 300 + grain
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        seven = (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32)
        eight = np.concatenate([seven[:, [6, 3, 5, 4, 0, 1, 2]] * 0.99, np.full((len(images), 1), 0.01)], axis=1)
        return (seven, eight.astype(np.float32))[: len(self.contract.heads)]


ABOUT = {"data": {"images": 560, "notes": ["a <note> & more"]}, "date": "2026-01-02", "environment": {"cpu": "some"}}


@pytest.fixture(scope="module")
def comparison(synthetic: Fer2013) -> Comparison:
    models = [
        ("good.onnx", Waves(synthetic, 0.5), {"file": "good.onnx", "sha256": "0" * 64, "provenance": {"seed": 1}}),
        ("a/same.pt", Waves(synthetic, 3.0), {"file": "same.pt", "sha256": "1" * 64, "provenance": {}}),
        ("<b>&a rather long name of a model that goes on.pt", Waves(synthetic, 3.0, heads=1), {"file": "x"}),
    ]
    done: list[str] = []
    found = compare(models, synthetic, Settings(resamples=200, robustness_images=40), ABOUT, done.append)
    assert len(done) == 3 * (1 + PASSES)
    return found


@pytest.fixture(scope="module")
def two(comparison: Comparison) -> Comparison:
    """The first and the last model on PrivateTest (dedup) alone: fewer pictures to draw."""
    models = tuple(replace(model, splits=model.splits[2:]) for model in (comparison.models[0], comparison.models[2]))
    pairs = tuple(replace(pair, second=1) for pair in comparison.pairs if (pair.first, pair.second) == (0, 2))
    return replace(comparison, models=models, pairs=pairs[2:])


@pytest.fixture(scope="module")
def report(two: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "new" / "report"
    write_report(folder, two)
    return folder


def test_pairs(comparison: Comparison) -> None:
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [(0, 1), (0, 2), (1, 2)] * 3
    better, _, same = comparison.pairs[:3]
    assert better.differences["accuracy"].low > 0
    assert better.test.mid_p <= better.holm_p < 0.05
    assert (same.test.exact_p, same.test.mid_p, same.holm_p) == (1, 1, 1)
    assert all((value.low, value.high) == (0, 0) for value in same.differences.values())


def test_the_same_comparison_again_is_the_same(comparison: Comparison, synthetic: Fer2013) -> None:
    models = [("good.onnx", Waves(synthetic, 0.5), comparison.models[0].about)]
    again = compare(models, synthetic, comparison.settings, ABOUT)
    assert figures_of(again)["models"] == figures_of(comparison)["models"][:1]


def test_robustness(comparison: Comparison, synthetic: Fer2013) -> None:
    robustness = comparison.models[0].robustness
    assert robustness is not None
    assert robustness.n == 40
    rows = robustness_rows(synthetic, 40, 0)
    assert set(rows) <= set(synthetic.rows(Usage.PublicTest))
    assert np.array_equal(rows, robustness_rows(synthetic, 40, 0))
    assert np.array_equal(robustness_rows(synthetic, 9999, 0), synthetic.rows(Usage.PublicTest))
    for corruption, result in zip(CORRUPTIONS, robustness.results, strict=True):
        clean, *levels = result.levels
        assert (clean.strength, clean.lost_points.value) == (corruption.clean, 0)
        for level in levels:
            assert level.lost_points.value == pytest.approx(100 * (clean.accuracy - level.accuracy))
            assert level.lost_points.low <= level.lost_points.value <= level.lost_points.high
        at = [level.lost_points.value for level in levels if level.strength == corruption.target]
        assert result.target_met == (at[0] <= 5 if at else None)
    assert robustness.results[0].levels[-1].lost_points.value > 0


def test_private_images_are_never_corrupted(synthetic: Fer2013) -> None:
    private = {image.tobytes() for image in synthetic.images[synthetic.rows(Usage.PrivateTest)]}
    seen = []

    class Watched(Waves):
        def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
            seen.append(sum(image.tobytes() in private for image in images))
            return super().__call__(images)

    compare([("m", Watched(synthetic, 1), {})], synthetic, Settings(resamples=10), ABOUT)
    assert seen == [len(private)] + [0] * PASSES


@given(st.integers(1, 60), st.integers(0, 99), st.floats(0.01, 0.99))
@settings(max_examples=50)
def test_a_threshold_keeps_its_risk_and_answers_as_many_as_it_can(n: int, seed: int, risk: float) -> None:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(3), n).round(1).astype(np.float32)  # rounded: many ties
    answers = Answers(probabilities, generator.integers(0, 3, n))
    curve = risk_coverage(answers)
    assert (np.diff(curve.coverage) > 0).all()
    assert (np.diff(curve.threshold) < 0).all()
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - answers.correct.mean())
    point = operating_point(answers, threshold_for(curve, risk))
    assert point.risk <= risk
    possible = [operating_point(answers, float(value)) for value in curve.threshold]
    assert point.coverage == max((other.coverage for other in possible if other.risk <= risk), default=0)


def test_json_holds_every_figure(two: Comparison, report: Path) -> None:
    found = json.loads((report / "report.json").read_text())
    assert found == json.loads(json.dumps(figures_of(two)))
    assert found["date"] == "2026-01-02"
    good, last = found["models"]
    assert good["provenance"] == {"seed": 1}
    assert good["splits"]["private_dedup"]["fer2013"]["n"] == 56
    assert good["splits"]["private_dedup"]["intervals"]["macro_f1"]["low"] <= 1
    assert good["training"]["fer2013"]["n"] == 448
    assert ["Training (a draw)", "448"] in [[row[0], row[2]] for row in tables_of(two)[0].rows]
    assert last["splits"]["private_dedup"]["ferplus_majority"] is None
    assert [result["key"] for result in good["robustness"]["results"]] == [entry.key for entry in CORRUPTIONS]
    curve = good["splits"]["private_dedup"]["risk_coverage"]
    assert len(curve["coverage"]) == len(curve["risk"]) == len(curve["threshold"]) <= 100


def test_the_page_needs_nothing_from_outside(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert "http" not in page.lower()
    assert not re.search(r'(src|href)="(?!data:image/png;base64,|#)', page)
    assert not re.search(r"url\((?!#)", page)
    assert "<script" not in page
    assert "@import" not in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {target for target in re.findall(r'(?:href="|url\()#([^")]+)', page)} <= set(ids)
    assert "&lt;b&gt;&amp;a rather long" in page
    assert "<b>&a" not in page
    assert "a &lt;note&gt; &amp; more" in page
    assert "prefers-color-scheme: dark" in page
    assert "#1f2933" not in page.split("</style>")[1]  # the pictures take the page's colours
    for heading in ("Which is better?", "Robustness", "FER+ labels", "How this was made"):
        assert heading in page


def test_markdown_and_pictures(report: Path) -> None:
    text = (report / "report.md").read_text()
    assert "| PrivateTest (dedup) | A good.onnx | 56 |" in text
    assert "- model: good.onnx, file good.onnx, sha256 000" in text
    kinds = ("recall", "confusion", "reliability", "risk_coverage", "ferplus_recall")
    pictures = {f"{kind}_private_dedup.png" for kind in kinds} | {"accuracy.png", "robustness.png"}
    assert {path.name for path in report.iterdir()} == pictures | {"report.json", "report.md", "report.html"}
    for name in pictures:
        image = cv2.imread(str(report / name))
        assert image is not None
        assert len(np.unique(image)) > 20


def test_tables_have_a_cell_for_each_column(comparison: Comparison) -> None:
    for table in tables_of(comparison):
        assert all(len(row) == len(table.columns) for row in table.rows), table.title
    alone = replace(comparison, models=comparison.models[2:], pairs=())
    titles = [table.title for table in tables_of(alone)]
    assert "FER+ majority labels (8 classes)" not in titles
    assert not any("model" in table.columns for table in tables_of(alone))


def test_a_class_without_images_is_left_out_and_said(synthetic: Fer2013, tmp_path: Path) -> None:
    disgust = 1
    fewer = synthetic.take(np.flatnonzero((synthetic.usage == Usage.Training) | (synthetic.expression != disgust)))
    wanted = Settings(with_private=False, with_robustness=False, resamples=50)
    found = compare([("m", Waves(synthetic, 0.01), {})], fewer, wanted, ABOUT)
    metrics = found.models[0].splits[0].result.fer2013
    assert metrics.absent == ("disgust",)
    assert metrics.macro_f1 == pytest.approx(sum(metrics.f1) / 6)
    tables = {table.section: table for table in tables_of(found)}
    assert tables["classes"].title == "PublicTest, by class (no image of disgust: means over classes leave that out)"
    assert tables["classes"].rows[disgust] == ("disgust", "0", "-", "-", "-", "-")
    assert "PublicTest has none of disgust" in tables["ferplus"].title
    write_report(tmp_path, found)


def test_a_report_that_can_not_be_written(two: Comparison, tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(SinkError, match=str(tmp_path)):
        write_report(tmp_path, two)


def test_names_tell_files_apart() -> None:
    assert model_names([Path("runs/a/model.pt"), Path("x.onnx")]) == ["model.pt", "x.onnx"]
    found = model_names([Path("runs/a/model.pt"), Path("runs/b/model.pt"), Path("old/b/model.pt"), Path("x.onnx")])
    assert found == ["a/model.pt", "runs/b/model.pt", "old/b/model.pt", "x.onnx"]


def evaluate(*arguments: object) -> int:
    return run_command(eval_command, "fer-eval", list(map(str, arguments)))


def test_a_model_card_keeps_what_is_not_figures(two: Comparison, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"# A card\n\nBefore.\n\n{BEGIN}\nold figures\n{END}\n\nAfter.\n", encoding="utf-8")
    write_card(card, two)
    text = card.read_text("utf-8")
    assert text.startswith(f"# A card\n\nBefore.\n\n{BEGIN}\n\nFER2013") and text.endswith(f"{END}\n\nAfter.\n")
    assert "old figures" not in text and "Measured on some, 2026-01-02." in text
    accuracy = two.models[0].splits[0].estimates["accuracy"].value
    assert f"| {100 * accuracy:.2f} |" in text
    write_card(card, two)
    assert card.read_text("utf-8") == text
    assert f"Answers with at most {100 * two.settings.risk:g} % wrong" in text


def test_aims_say_by_how_much_they_are_missed(comparison: Comparison, tmp_path: Path) -> None:
    rows = {row[:2]: row[2:] for row in aims_table(comparison).rows}
    for name, split in zip(("A", "B", "C"), comparison.on("private"), strict=True):
        found = split.result.fer2013
        (named,) = {row[1] for row in rows if row[1].startswith(name)}
        assert (("FER+ majority, standard", named) in rows) == (split.result.ferplus is not None)
        for title, figure, wanted, sign in (
            ("accuracy, standard", found.accuracy, "at least 72.0", -1),
            ("ECE-15, standard", found.ece, "at most 3.0", 1),
        ):
            short = sign * (100 * figure - float(wanted.split()[-1]))
            told = "yes" if short <= 0 else f"missed by {short:.2f}"
            assert rows[title, named] == (wanted, f"{100 * figure:.2f}", told)
    card = tmp_path / "card.md"
    card.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    write_card(card, comparison)
    assert "Aims, PrivateTest:" in card.read_text("utf-8")


@pytest.mark.parametrize("text", ["# A card\n", f"{END} {BEGIN}", BEGIN])
def test_a_card_without_a_place_for_figures_is_refused_and_kept(text: str, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(text)
    with pytest.raises(DataError, match="lacks the lines"):
        check_card(card)
    assert card.read_text() == text
    with pytest.raises(DataError, match="absent"):
        check_card(tmp_path / "absent.md")


@pytest.fixture(scope="module")
def data(synthetic: Fer2013, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, images=synthetic.images, emotion=synthetic.expression, usage=synthetic.usage,
             ferplus_votes=synthetic.votes)  # fmt: skip
    return path


def test_checkpoint_and_export_are_compared(
    data: Path, tiny_checkpoint: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    command = (tiny_model, tiny_checkpoint, "--data", data, "--public-only")
    assert evaluate(*command, "--out", out, "--no-robustness") == 0
    printed = capsys.readouterr().out
    assert "A tiny.onnx: single view, onnxruntime" in printed
    assert "B tiny.pt: single view, torch" in printed
    assert "PrivateTest" not in printed
    assert "face size" not in printed
    (pair,) = json.loads((out / "report.json").read_text())["pairs"]
    assert pair["mcnemar"]["mid_p"] == 1
    assert "robustness.png" not in {path.name for path in out.iterdir()}
    assert evaluate(*command, "--robustness", "--robustness-images", 5) == 0
    assert "face size, px: 24" in capsys.readouterr().out


def test_bad_input(
    data: Path, tiny_model: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.onnx").write_text("a text file")
    (tmp_path / "x.pt").write_text("a text file")
    (tmp_path / "bad.csv").write_bytes(b"emotion,pixels,Usage\n0,\x00\xff,Training\n")
    checkpoint = untrained_checkpoint()
    heads = tuple(replace(head, labels=head.labels[::-1]) for head in checkpoint.contract.heads)
    other = replace(checkpoint, contract=replace(checkpoint.contract, heads=heads))
    save_checkpoint(tmp_path / "other.pt", other)
    many = [tmp_path / f"{number}.pt" for number in range(MOST_MODELS + 1)]
    for arguments, code, message in (
        ((tmp_path / "x.onnx", "--data", data), 1, "x.onnx: not a model that onnxruntime can run"),
        ((tiny_model, tmp_path / "x.pt", "--data", data), 1, "x.pt: not a checkpoint"),
        ((tiny_model, tmp_path / "other.pt", "--data", data), 1, "other.pt: its labels are neutral, surprise"),
        ((tiny_model, "--data", tmp_path / "bad.csv"), 1, "bad.csv: line 2: "),
        ((tiny_model, "--data", tmp_path / "none.csv"), 1, "no such file"),
        ((tiny_model, tiny_checkpoint, tiny_model, "--data", data), 2, "the same model is given twice"),
        ((*many, "--data", data), 2, "8 models given; a picture can't show more than 7"),
        ((tiny_model, "--data", data, "--risk", "0"), 2, "--risk"),
        ((tiny_model, "--data", data, "--robustness-images", "0"), 2, "--robustness-images"),
    ):
        assert evaluate(*arguments) == code, arguments
        err = capsys.readouterr().err
        assert message in err, arguments
        assert len(err.splitlines()) == 1, err


def test_help_names_every_option() -> None:
    text = CliRunner().invoke(eval_command, ["--help"]).output
    for name in ("--robustness", "--robustness-images", "--risk", "--seed", "--public-only"):
        assert name in text
