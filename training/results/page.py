"""``docs/results.md``: the results of all recipes as Markdown, made from what was measured and from the recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fer_live.errors import DataError
from fer_live.training.evaluation.splits import TRAIN_SAMPLE
from fer_live.training.options import command_options
from fer_live.training.recipes.recipe import Recipe

from .figures import Figures
from .reading import EqualRow, FullRun

__all__ = ["results_page"]

SPLITS = ("train", "public", "private", "private_dedup")
FIGURES = ("train", "PublicTest", "PrivateTest", "dedup", "macro P / R / F1", "weighted P / R / F1")
NOTHING = ("-",) * len(FIGURES)
RANDOM = "from random weights, not ImageNet's"

INTRODUCTION = """\
# Results

Every recipe under one protocol: trained on the Training split without blank images and without those that also occur in
a test split, the epoch chosen on PublicTest, PrivateTest opened once at the end. Each row is one training with one
seed, evaluated on a single view of each face. Accuracies are in %:

- *train*: {sample:,} training images, always the same draw, without augmentation
- *PublicTest* and *PrivateTest*: 3,589 images each
- *dedup*: the 3,275 PrivateTest images that do not also occur, byte for byte, in Training or PublicTest
- *P / R / F1*: precision, recall and F1 on dedup; *macro* counts every class alike, *weighted* by its number of images

The standard deviation of sampling is 0.8 points, so rows less than 2 points apart cannot be told apart.

*Reported* is the figure of the source, from its full schedule, on PrivateTest unless it says otherwise. The reports
trained on Training as it comes, including the 703 images that also occur in the test splits. At best their figures
compare with the PrivateTest column; [below](#why-they-differ-from-the-reported-figures) is what makes them compare
less well.

No figure on this page was typed in: `fer-eval --table` generates it from what the trainings recorded.
"""

EQUAL_COMPUTE = """\
## Equal compute

Every recipe got the same processor time: {minutes} core-minutes of training, including the evaluation after each epoch.
On two idle cores that is half as long by the clock. Because processor time is counted, other work on the machine
changes little. A few real steps are timed first, and the recipe's schedule is scaled to the budget, together with its
learning-rate decay, warm-up and clean tail. Training is in bf16 if a step then costs at most 0.9 of a float32 step. If
the evaluation after each epoch would take more than a tenth of the budget, it uses fewer PublicTest images; the figures
below always use all of them.

This is not what a recipe can reach but what it gives for its price: a light net makes dozens of passes over the images,
a heavy one not even one. {done} of {all} rows have been measured, by `fer-equal-compute --data fer2013.csv`. *Place* is
by accuracy on dedup.
"""

COSTS = """\
What the rows cost. *Epochs reached* counts passes over the training images as the recipe balances them, *full* is the
recipe's own number. *Images seen* is the share of the training images that was used at all. A core-second is a second
of one core: half a second by the clock on two.
"""

FULL_SCHEDULES = """\
## Full schedules

Recipes that were trained to the end of their own schedule with `fer-train` and then measured with `fer-eval --out`.
*Epochs* names the best one, which is the one measured. Seconds an epoch are by the clock, on a machine that may have
had other work. *train* is "-" in reports that are older than this measurement.
"""

DIFFERENCES = """\
## Why they differ from the reported figures

Apart from the budget and from the images that occur both in Training and in the tests:
"""


def results_page(recipes: Sequence[Recipe], rows: Iterable[EqualRow], runs: Iterable[FullRun]) -> str:
    """The page: equal compute, full schedules, why they differ. Every recipe is in each table.

    Raises:
        DataError: two rows of one recipe, or rows of different budgets.
    """
    by_recipe: dict[str, EqualRow] = {}
    for row in rows:
        if row.recipe in by_recipe:
            raise DataError(f"two rows of {row.recipe}: a table has one of each recipe")
        by_recipe[row.recipe] = row
    budgets = {row.core_minutes for row in by_recipe.values()}
    if len(budgets) > 1:
        raise DataError(f"rows of different budgets, {', '.join(f'{each:g}' for each in sorted(budgets))} core-minutes")
    parts = [
        INTRODUCTION.format(sample=TRAIN_SAMPLE),
        *_equal_compute(recipes, by_recipe),
        *_full_schedules(recipes, list(runs)),
        *_differences(recipes),
    ]
    return "\n".join(parts) + "\n"


def _equal_compute(recipes: Sequence[Recipe], rows: dict[str, EqualRow]) -> list[str]:
    minutes = f"{next(iter(rows.values())).core_minutes:g}" if rows else "ten"
    place = _places(rows)
    results = [
        (
            _named(recipe),
            place.get(recipe.name, "-"),
            recipe.reported or "-",
            *(_figure_cells(rows[recipe.name].splits) if recipe.name in rows else ("not run yet", *NOTHING[1:])),
            _remarks(recipe, rows.get(recipe.name)),
        )
        for recipe in recipes
    ]
    costs = [(_named(recipe), *_cost_cells(recipe, rows[recipe.name])) for recipe in recipes if recipe.name in rows]
    return [
        EQUAL_COMPUTE.format(minutes=minutes, done=len(costs), all=len(recipes)),
        *_table(("recipe", "place", "reported %", *FIGURES, "remarks"), results, "lrlrrrrrrl"),
        "",
        COSTS,
        *_table(
            (
                "recipe", "source", "parameters", "MACs", "epochs reached", "full", "images seen %",
                "core-s a pass", "core-s in all", "precision",
            ),
            costs,
            "llrrrrrrrl",
        ),
        "",
        *_machines([(row.machine, f"`{row.recipe}`") for row in rows.values()]),
    ]  # fmt: skip


def _full_schedules(recipes: Sequence[Recipe], runs: list[FullRun]) -> list[str]:
    lines: list[tuple[str, ...]] = []
    for recipe in recipes:
        of_recipe = [run for run in runs if run.recipe == recipe.name]
        lines += [
            (
                _named(recipe),
                recipe.reported or "-",
                *_figure_cells(run.splits),
                _epochs(run, recipe),
                f"{run.s_per_epoch:.0f}" if run.s_per_epoch is not None else "-",
                _how(run, recipe),
            )
            for run in of_recipe
        ] or [(_named(recipe), recipe.reported or "-", "not run", *NOTHING[1:], "-", "-", "")]
    known = {recipe.name for recipe in recipes}
    shown = [run for run in runs if run.recipe in known]
    return [
        "",
        FULL_SCHEDULES,
        *_table(("recipe", "reported %", *FIGURES, "epochs", "s an epoch", "remarks"), lines, "llrrrrrrrrl"),
        "",
        *_machines([(f"{run.machine}; evaluated by {run.runtime}", f"`{run.recipe}`") for run in shown]),
    ]


def _how(run: FullRun, recipe: Recipe) -> str:
    """Which file it is, and in what its training differs from the recipe's."""
    remarks = [f"`{run.file}`"]
    if run.view != "single view":
        remarks.append(run.view)
    if _lacks_imagenet(recipe, run.start):
        remarks.append(RANDOM)
    if run.start not in ("random", "ImageNet"):
        remarks.append(f"started from {run.start}")
    if changed := command_options(recipe.with_options(run.options).with_arguments(run.arguments))[2:]:
        remarks.append(f"`{' '.join(changed)}`")
    return "; ".join(remarks)


def _differences(recipes: Sequence[Recipe]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for recipe in recipes:
        if recipe.caveat:
            reasons.setdefault(recipe.caveat, []).append(f"`{recipe.name}`")
    return [
        "",
        DIFFERENCES,
        *(f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()),
        "",
        "[recipes.md](recipes.md#chosen-here) lists what the reports do not say and was chosen here.",
    ]


def _named(recipe: Recipe) -> str:
    return f"`{recipe.name}`"


def _places(rows: dict[str, EqualRow]) -> dict[str, str]:
    """1 for the best accuracy on dedup, alike for equals."""
    accuracies = {name: row.splits["private_dedup"].accuracy for name, row in rows.items() if row.splits}
    return {
        name: str(1 + sum(other > accuracy for other in accuracies.values())) for name, accuracy in accuracies.items()
    }


def _figure_cells(splits: Mapping[str, Figures]) -> tuple[str, ...]:
    """Cells of :data:`FIGURES`."""
    if not splits:
        return ("no model", *NOTHING[1:])
    accuracies = [f"{100 * splits[name].accuracy:.2f}" if name in splits else "-" for name in SPLITS]
    last = splits.get("private_dedup")
    if last is None:
        return (*accuracies, "-", "-")
    return (
        *accuracies,
        _three(last.macro_precision, last.macro_recall, last.macro_f1),
        _three(last.weighted_precision, last.weighted_recall, last.weighted_f1),
    )


def _three(*shares: float) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in shares)


def _remarks(recipe: Recipe, row: EqualRow | None) -> str:
    if row is None:
        return ""
    remarks = [row.ran_away] if row.ran_away else []
    if _lacks_imagenet(recipe, row.start):
        remarks.append(RANDOM)
    if recipe.train.distill > 0:
        remarks.append("without its teachers")
    if row.passes < 1:
        remarks.append(f"less than a pass: {100 * row.seen:.0f} % of the images seen")
    return "; ".join(remarks)


def _cost_cells(recipe: Recipe, row: EqualRow) -> tuple[str, ...]:
    return (
        recipe.source,
        f"{row.parameters:,}",
        f"{row.macs:,}",
        f"{row.passes:.2f}",
        f"{recipe.train.epochs}",
        f"{100 * row.seen:.0f}",
        f"{row.cpu_s_per_pass:,.0f}" if row.cpu_s_per_pass else "-",
        f"{row.cpu_s:,.0f}",
        row.precision,
    )


def _lacks_imagenet(recipe: Recipe, start: str) -> bool:
    return recipe.train.init == "imagenet" and start == "random"


def _epochs(run: FullRun, recipe: Recipe) -> str:
    passes = run.epochs * run.epoch_share
    whole = f"{passes:g}" if passes >= recipe.train.epochs else f"{passes:g} of {recipe.train.epochs}"
    return f"{whole} (best {run.best_epoch})"


def _machines(named: Sequence[tuple[str, str]]) -> list[str]:
    """Which rows ran on what: one line where all ran on the same."""
    rows_of: dict[str, list[str]] = {}
    for machine, name in named:
        rows_of.setdefault(machine, []).append(name)
    if len(rows_of) == 1:
        return [f"Hardware and software: {next(iter(rows_of))}."]
    return [f"- {machine}: {', '.join(names)}" for machine, names in rows_of.items()]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> list[str]:
    """Markdown; ``align``: l or r for each column."""
    rules: Callable[[str], str] = {"l": "---", "r": "---:"}.__getitem__
    head = [f"| {' | '.join(columns)} |", f"|{'|'.join(map(rules, align))}|"]
    return head + [f"| {' | '.join(row)} |" for row in rows]
