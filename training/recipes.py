"""All recipes by name: the product's own, and every system of the reports. ``fer-train --list`` shows them."""

from __future__ import annotations

from .config import TrainConfig
from .recipe import ModelSpec, Recipe, build_model, fer2013_contract
from .reported_systems import REPORTED

__all__ = ["RECIPES", "ModelSpec", "Recipe", "TrainConfig", "build_model", "fer2013_contract"]

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="residual",
            about="residual net with squeeze-excitation, strided stem, FER2013 and FER+ heads: the bundled model",
            source="He et al. 2016, Hu et al. 2018; votes of Barsoum et al. 2016 as second target",
            model=ModelSpec("residual", {"widths": [48, 96, 192], "blocks": 2, "dropout": 0.2}),
        ),
        Recipe(
            name="residual_tiny",
            about="the same with a third of the width: minutes on a laptop, for trying things out",
            source="as residual",
            model=ModelSpec("residual", {"widths": [16, 32, 64], "blocks": 1, "dropout": 0.1}),
            train=TrainConfig(epochs=20, mixup=0.0),
        ),
        *REPORTED,
    )
}
