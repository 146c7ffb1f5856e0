"""Every recipe under equal compute: a row of figures each, by one protocol, unattended and resumable.

A row is trained within a budget of processor time (:mod:`~fer_live.training.results.budget`), the epoch chosen on
PublicTest as in any training, and then evaluated once, single view, in float32: on a fixed draw of its training images,
on PublicTest, and on PrivateTest, standard and dedup. Evaluation after the training is not part of the budget.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_live.errors import DataError, ModelError, SinkError
from fer_live.files import make_folder, replacing, system_errors_as
from fer_live.training.augmentation.sampling import rows_seen
from fer_live.training.checkpoint import load_checkpoint
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.metrics import compute_metrics
from fer_live.training.evaluation.predictors import TorchPredictor
from fer_live.training.evaluation.splits import training_sample
from fer_live.training.provenance import environment
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.recipe import Recipe
from fer_live.training.recipes.summary import summarise
from fer_live.training.run.loop import Epoch, RanAwayError, train

from .budget import Costs, Plan, measure_costs, scale_to_budget
from .figures import figures_of

__all__ = ["FORMAT", "Job", "Watcher", "finished_row", "row_path", "run_row"]

FORMAT = "fer-live equal compute 1"
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Job:
    """What the rows of one table have in common.

    ``rows``: the folder of the finished rows, RECIPE.json each. ``runs``: of the trainings under way, RECIPE/ each,
    removed when the row is finished unless ``keep_runs``.
    """

    rows: Path
    runs: Path
    core_minutes: float
    keep_runs: bool = False


@dataclass(frozen=True, slots=True)
class Watcher:
    """Is told how a row goes: once of the plan, then after each step and epoch as by the training loop."""

    on_plan: Callable[[Plan], None] = lambda plan: None
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None


def row_path(recipe: Recipe, job: Job) -> Path:
    """Where the row of a recipe is written."""
    return job.rows / f"{recipe.name}.json"


def finished_row(recipe: Recipe, job: Job) -> bool:
    """Whether the row is there.

    Raises:
        DataError: what is there is no row of this budget.
    """
    path = row_path(recipe, job)
    if not path.exists():
        return False
    try:
        minutes = json.loads(path.read_text(encoding="utf-8"))["core_minutes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a row of equal compute; remove it or give another --out") from error
    if minutes != job.core_minutes:
        raise DataError(f"{path}: a row of {minutes:g} core-minutes, not {job.core_minutes:g}; give another --out")
    return True


def run_row(recipe: Recipe, dataset: Fer2013, job: Job, watcher: Watcher = Watcher()) -> Path:
    """Train and evaluate one row, going on where it was stopped, and write its JSON.

    Returns:
        The row's path.

    Raises:
        DataError: a split is empty or too small for a batch.
        ModelError: ImageNet weights are not to be had.
        SinkError: a folder can't be made or written to.
    """
    make_folder(job.rows)
    run = job.runs / recipe.name
    make_folder(run)
    with system_errors_as(SinkError, run):
        plan, costs = _planned(recipe, dataset, job, run / "plan.json")
        watcher.on_plan(plan)
        history, ran_away = _trained(recipe, plan, dataset, run / "train", watcher)
        row = {
            "format": FORMAT,
            "recipe": recipe.name,
            "source": recipe.source,
            "reported": recipe.reported,
            "core_minutes": job.core_minutes,
            **_training_facts(recipe, plan, dataset, history, ran_away),
            "splits": _figures(run / "train" / "model.pt", dataset),
            "model": json.loads(recipe.model.to_json()),
            "train": asdict(plan.train),
            "costs": asdict(costs),
            "data": {**dataset.identity(), "notes": list(dataset.notes)},
            "environment": {**environment(), "threads": torch.get_num_threads()},
            "date": datetime.now(UTC).date().isoformat(),
        }
        _write_json(row_path(recipe, job), row)
        if not job.keep_runs:
            shutil.rmtree(run)
    return row_path(recipe, job)


def _planned(recipe: Recipe, dataset: Fer2013, job: Job, path: Path) -> tuple[Plan, Costs]:
    """The plan of a run that was begun, or a new one; a run of anything else is removed."""
    wanted = {
        "core_minutes": job.core_minutes,
        "recipe": asdict(recipe.train),
        "model": json.loads(recipe.model.to_json()),
        "data": dataset.identity(),
    }
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["of"] == wanted:
            plan = saved["plan"]
            return Plan(**{**plan, "train": TrainConfig(**plan["train"])}), Costs(**saved["costs"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none yet, or one of another version
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    costs = measure_costs(recipe, dataset)
    plan = scale_to_budget(recipe.train, costs, 60 * job.core_minutes, dataset)
    _write_json(path, {"of": wanted, "plan": asdict(plan), "costs": asdict(costs)})
    return plan, costs


def _trained(
    recipe: Recipe, plan: Plan, dataset: Fer2013, folder: Path, watcher: Watcher
) -> tuple[list[Epoch], str | None]:
    """The epochs of the training, and the line of its end where the loss ran away."""
    scaled = recipe.with_options(asdict(plan.train))

    def attempt() -> tuple[list[Epoch], str | None]:
        history: list[Epoch] = []

        def on_epoch(epoch: Epoch) -> None:
            history.append(epoch)
            watcher.on_epoch(epoch)

        try:
            train(scaled, dataset, folder, device=CPU, bf16=plan.bf16, on_step=watcher.on_step, on_epoch=on_epoch)
        except RanAwayError:
            return history, f"the loss ran away in epoch {len(history) + 1}"
        return history, None

    try:
        return attempt()
    except ModelError:
        if not (folder / "last.pt").exists():
            raise
        # Whatever the matter is with what was left of it (broken, of another version): a row is cheap.
        shutil.rmtree(folder)
        return attempt()


def _training_facts(
    recipe: Recipe, plan: Plan, dataset: Fer2013, history: list[Epoch], ran_away: str | None
) -> dict[str, Any]:
    rows = dataset.training_rows(plan.train.cleaning)
    labels = torch.from_numpy(dataset.expression[rows])
    done = len(history) / plan.train.epochs
    cpu_s = history[-1].cpu_s if history else 0.0
    passes = plan.passes * done
    summary = summarise(recipe.model, recipe.contract())
    best = max(history, key=lambda epoch: epoch.public_accuracy, default=None)
    return {
        "parameters": summary.parameters,
        "macs": summary.macs,
        "start": "ImageNet" if plan.train.init == "imagenet" else "random",
        "precision": "bf16" if plan.bf16 else "float32",
        "seed": plan.train.seed,
        "epochs": len(history),
        "best_epoch": best.epoch + 1 if best else None,
        "passes": round(passes, 4),
        "training_images": len(rows),
        "training_images_seen": rows_seen(labels, plan.train, len(history)),
        "cpu_s": round(cpu_s, 2),
        "cpu_s_per_pass": round(cpu_s / passes, 2) if passes else None,
        "elapsed_s": round(history[-1].elapsed_s, 2) if history else 0.0,
        "ran_away": ran_away,
    }


def _figures(model: Path, dataset: Fer2013) -> dict[str, Any] | None:
    """Figures and confusion matrix by split; None where there is no model."""
    if not model.exists():
        return None
    splits: dict[str, NDArray[np.int64]] = {
        "train": training_sample(dataset),
        "public": dataset.rows(Usage.PublicTest),
        "private": dataset.rows(Usage.PrivateTest),
        "private_dedup": dataset.dedup_private_rows(),
    }
    empty = [name for name, rows in splits.items() if not len(rows)]
    if empty:
        raise DataError(f"the data set has no image of {', '.join(empty)}; the official fer2013.csv has some")
    every = np.unique(np.concatenate(list(splits.values())))
    predict = TorchPredictor(load_checkpoint(model), CPU)
    probabilities = predict(dataset.images[every])[0]
    figures: dict[str, Any] = {}
    for name, rows in splits.items():
        of_split = probabilities[np.searchsorted(every, rows)]
        metrics = compute_metrics(of_split, dataset.expression[rows], predict.contract.labels)
        shown = {**asdict(figures_of(metrics.confusion)), "nll": metrics.nll, "ece": metrics.ece}
        figures[name] = {
            **{key: round(value, 5) for key, value in shown.items()},
            "confusion": metrics.confusion,
        }
    return figures


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A line an entry, two levels deep; the target is replaced only when the new file is complete."""
    lines = []
    for name, part in value.items():
        if isinstance(part, dict) and any(isinstance(inner, dict) for inner in part.values()):
            inside = ",\n".join(f"    {json.dumps(key)}: {json.dumps(inner)}" for key, inner in part.items())
            lines.append(f"  {json.dumps(name)}: {{\n{inside}\n  }}")
        else:
            lines.append(f"  {json.dumps(name)}: {json.dumps(part)}")
    with replacing(path) as partial:
        partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
