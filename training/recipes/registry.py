"""All recipes by name: the product's own, and every system of the reports. ``fer-train --list`` shows them."""

from __future__ import annotations

from dataclasses import replace

from .config import TrainConfig
from .recipe import ModelSpec, Recipe, build_model, fer2013_contract
from .reported_systems import REPORTED

__all__ = ["RECIPES", "ModelSpec", "Recipe", "TrainConfig", "build_model", "fer2013_contract"]

# An epoch shows every image four times, augmented anew each time: judging and saving an epoch takes as long as a GPU
# takes for one pass.
_LONG = TrainConfig(
    balance="augment_all",
    copies=4,
    batch_size=512,
    lr=0.004,
    mixup=0.0,
    cutmix=0.5,
    shift_px=5.0,
    rotation_deg=15.0,
    scale=0.2,
    perspective_px=2.0,
    brightness=0.25,
    contrast=0.3,
    motion_px=7.0,
    low_light=3.0,
    shrink=0.6,
    jpeg=0.85,
    degrade_share=0.2,
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="residual",
            about="residual network, squeeze-excitation, FER2013 and FER+ heads: the bundled model",
            source="He et al. 2016, Hu et al. 2018; votes of Barsoum et al. 2016 as second target",
            model=ModelSpec("residual", {"widths": [48, 112, 256], "blocks": 2, "dropout": 0.2}),
        ),
        Recipe(
            name="residual_tiny",
            about="residual, much narrower and half as deep: minutes on a laptop, to try things out",
            source="as residual",
            model=ModelSpec("residual", {"widths": [16, 32, 64], "blocks": 1, "dropout": 0.1}),
            train=TrainConfig(epochs=20, mixup=0.0),
        ),
        Recipe(
            name="flagship",
            about="residual, taught by larger networks, for small, dark, blurred and compressed faces",
            source="as residual; Hinton et al. 2015, Yun et al. 2019",
            model=ModelSpec("residual", {"widths": [48, 112, 256], "blocks": 2, "dropout": 0.2}),
            train=replace(_LONG, epochs=75, distill=0.7, distill_temperature=3.0),
        ),
        Recipe(
            name="flagship_teacher",
            about="larger residual network: five teach flagship, each trained on 4/5 of the images",
            source="as residual",
            model=ModelSpec("residual", {"widths": [96, 192, 384], "blocks": 2, "dropout": 0.3}),
            train=replace(_LONG, epochs=20),
        ),
        *REPORTED,
    )
}
