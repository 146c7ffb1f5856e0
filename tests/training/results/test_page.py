import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest

from fer_live.cli_errors import debug_option, run_command
from fer_live.errors import DataError
from fer_live.training.recipes.registry import RECIPES
from fer_live.training.results.equal_compute import FORMAT
from fer_live.training.results.figures import figures_of
from fer_live.training.results.page import results_page
from fer_live.training.results.reading import EqualRow, FullRun, read_results
from fer_live.training.results.table_option import table_option

ALL = tuple(RECIPES.values())
CONFUSION = (np.eye(7, dtype=int) * 3 + 1).tolist()
SPLITS = {name: figures_of(CONFUSION) for name in ("train", "public", "private", "private_dedup")}
ROW = EqualRow(
    recipe="athan_7",
    splits=SPLITS,
    core_minutes=10.0,
    cpu_s=601.2,
    cpu_s_per_pass=1550.0,
    passes=0.388,
    seen=0.41,
    parameters=6_783_559,
    macs=1_280_585_952,
    start="random",
    precision="bf16",
    seed=0,
    ran_away=None,
    machine="a machine",
)
RUN = FullRun("residual", SPLITS, "single view", "torch", 60, 1.0, 57, 83.2, "random", 0, "a machine", "a.onnx", {}, {})


def cells(page: str, recipe: str, part: str) -> list[str]:
    """The cells of a recipe's row in the first table of a part of the page."""
    lines = page.split(f"## {part}", 1)[1].splitlines()
    (line,) = [line for line in lines if line.startswith(f"| `{recipe}` |")][:1]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_recipe_is_in_both_tables() -> None:
    page = results_page(ALL, [ROW], [RUN])
    for recipe in ALL:
        equal, full = cells(page, recipe.name, "Equal compute"), cells(page, recipe.name, "Full schedules")
        assert (recipe.reported or "-") == equal[2] == full[1]
        assert ("not run yet" in equal) == (recipe.name != ROW.recipe)
        assert ("not run" in full) == (recipe.name != RUN.recipe)


def test_figures_are_those_that_were_measured() -> None:
    page = results_page(ALL, [ROW], [RUN])
    accuracy = f"{100 * SPLITS['public'].accuracy:.2f}"
    assert cells(page, "athan_7", "Equal compute")[3:7] == [accuracy] * 4
    assert cells(page, "athan_7", "Equal compute")[-1] == "less than a pass: 41 % of the images seen"
    assert cells(page, "athan_7", "Equal compute")[1] == "1"
    assert "| `athan_7` | report E (2022) | 6,783,559 | 1,280,585,952 | 0.39 | 20 | 41 | 1,550 | 601 | bf16 |" in page
    assert cells(page, "residual", "Full schedules")[-3:] == ["60 (best 57)", "83", "`a.onnx`"]
    assert "10 core-minutes" in page
    assert f"1 of {len(ALL)} rows" in page


def test_places_are_by_dedup_accuracy() -> None:
    better = {**SPLITS, "private_dedup": replace(SPLITS["private_dedup"], accuracy=0.9)}
    rows = [ROW, replace(ROW, recipe="athan_1", splits=better), replace(ROW, recipe="riv_1")]
    page = results_page(ALL, rows, [])
    assert [cells(page, name, "Equal compute")[1] for name in ("athan_1", "athan_7", "riv_1")] == ["1", "2", "2"]


def test_what_a_reader_must_know_stands_in_the_row() -> None:
    rows = [
        replace(ROW, recipe="resnet50", passes=2.0),
        replace(ROW, recipe="flagship", passes=2.0),
        replace(ROW, recipe="athan_3_v4", splits={}, passes=0.0, cpu_s_per_pass=None, ran_away="the loss ran away"),
    ]
    runs = [replace(RUN, epochs=5), replace(RUN, recipe="resnet18_transfer", view="mirror-averaged")]
    page = results_page(ALL, rows, runs)
    assert cells(page, "resnet50", "Equal compute")[-1] == "from random weights, not ImageNet's"
    assert cells(page, "flagship", "Equal compute")[-1] == "without its teachers"
    assert cells(page, "athan_3_v4", "Equal compute")[3] == "no model"
    assert "the loss ran away" in cells(page, "athan_3_v4", "Equal compute")[-1]
    assert cells(page, "residual", "Full schedules")[-3] == "5 of 60 (best 57)"
    assert cells(page, "resnet18_transfer", "Full schedules")[-1].startswith("`a.onnx`; mirror-averaged; from random")


def test_a_training_of_its_own_way_says_how(tmp_path: Path) -> None:
    own = replace(RUN, options={"epochs": 48, "lr": 0.1}, epochs=48, start="the weights 0123 of an earlier run")
    line = " | ".join(cells(results_page(ALL, [], [own]), "residual", "Full schedules"))
    assert "`a.onnx`; started from the weights 0123 of an earlier run; `--epochs 48 --lr 0.1`" in line
    narrow = replace(RUN, arguments={"widths": [48, 96, 192]})
    assert (
        cells(results_page(ALL, [], [narrow]), "residual", "Full schedules")[-1]
        == "`a.onnx`; `--set widths=[48,96,192]`"
    )
    plain = " | ".join(cells(results_page(ALL, [], [RUN]), "residual", "Full schedules"))
    assert "started" not in plain and "--" not in plain


def test_the_reasons_are_the_recipes_own() -> None:
    page = results_page(ALL, [], [])
    reasons = page.split("## Why they differ", 1)[1]
    for recipe in ALL:
        assert (f"`{recipe.name}`" in reasons) == bool(recipe.caveat)
        assert recipe.caveat in reasons
    assert all(recipe.caveat for recipe in ALL if recipe.source.startswith("report"))


def test_rows_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(DataError, match="two rows of athan_7"):
        results_page(ALL, [ROW, ROW], [])
    with pytest.raises(DataError, match="5, 10 core-minutes"):
        results_page(ALL, [ROW, replace(ROW, recipe="riv_1", core_minutes=5.0)], [])


ENVIRONMENT = {"cpu": "one", "machine": "Linux", "torch": "2.15", "threads": 2}


def written(folder: Path) -> Path:
    """A folder as the two commands write it."""
    row = {
        "format": FORMAT,
        "recipe": "riv_1",
        "core_minutes": 10.0,
        "splits": {name: {"confusion": CONFUSION} for name in SPLITS},
        "cpu_s": 600.0,
        "cpu_s_per_pass": 60.0,
        "passes": 10.0,
        "training_images": 200,
        "training_images_seen": 100,
        "parameters": 1,
        "macs": 2,
        "start": "random",
        "precision": "bf16",
        "seed": 0,
        "ran_away": None,
        "environment": ENVIRONMENT,
    }
    training = {
        "recipe": "residual",
        "model": {"name": "residual", "arguments": {"blocks": 2}},
        "train": {"epochs": 60, "seed": 1},
        "epoch": {"epoch": 29, "elapsed_s": 300.0},
        **ENVIRONMENT,
    }
    models = [
        {
            "provenance": provenance,
            "file": "a.onnx",
            "runtime": "r",
            "splits": {"public": {"fer2013": {"confusion": CONFUSION}}},
        }
        for provenance in ({"training": training, "export": {}}, training, {"somebody": "else's"})
    ]
    models[1]["training"] = {"fer2013": {"confusion": CONFUSION}}  # which reports did not have at first
    (folder / "equal").mkdir(parents=True)
    (folder / "equal" / "riv_1.json").write_text(json.dumps(row))
    (folder / "report.json").write_text(json.dumps({"view": "single view", "models": models}))
    (folder / "config.json").write_text("{}")
    return folder


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    rows, runs = read_results([written(tmp_path / "docs")])
    assert [(row.recipe, row.seen, row.splits) for row in rows] == [("riv_1", 0.5, SPLITS)]
    assert rows[0].machine == "one, Linux, 2 threads, torch 2.15"
    assert [(run.recipe, run.epochs, run.best_epoch, run.s_per_epoch) for run in runs] == [("residual", 60, 30, 10)] * 2
    assert [list(run.splits) for run in runs] == [["public"], ["train", "public"]]
    train = [cells(results_page(ALL, [], [run]), "residual", "Full schedules")[2] for run in runs]
    assert train == ["-", f"{100 * SPLITS['train'].accuracy:.2f}"]
    assert "`riv_1` | 1 |" in results_page(ALL, rows, runs)


@click.command()
@click.argument("model")
@table_option
@debug_option
def command(model: str) -> None:
    click.echo(f"evaluated {model}")


def test_the_option_prints_the_page_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "docs")
    assert run_command(command, "fer-eval", ["--table", str(folder / "equal"), "--table", str(folder)]) == 1
    assert "two rows of riv_1" in capsys.readouterr().err
    assert run_command(command, "fer-eval", ["--table", str(folder)]) == 0
    rows, runs = read_results([folder])
    assert capsys.readouterr().out == results_page(ALL, rows, runs)
    assert run_command(command, "fer-eval", ["x.pt"]) == 0
    assert capsys.readouterr().out == "evaluated x.pt\n"


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such folder"):
        read_results([tmp_path / "none"])
    with pytest.raises(DataError, match="no rows of fer-equal-compute and no report"):
        read_results([tmp_path])
    folder = written(tmp_path / "docs")
    for name, text in (
        ("equal/riv_1.json", json.dumps({"format": FORMAT, "recipe": "riv_1"})),
        ("report.json", "[]"),
        ("equal/riv_1.json", "{"),
    ):
        before = (folder / name).read_text()
        (folder / name).write_text(text)
        with pytest.raises(DataError, match=f"{Path(name).name}: broken"):
            read_results([folder])
        (folder / name).write_text(before)
