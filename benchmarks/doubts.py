"""When a model's answers should be doubted: the limits of realtime/labels/doubts.py, and what an answer is worth.

    python benchmarks/doubts.py --data fer2013.npz [--model model.onnx] [--risk 0.2]

On PublicTest. First the confidence from which at most ``--risk`` of the answers are wrong. Then, of PublicTest made
small, blurred and smeared: how many of the answers that are as confident as that are wrong, and which share of the
accuracy above chance is left, by the size of the face and by its sharpness as the engine measures it.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from fer_live.bundled import MODEL_INT8, asset_path
from fer_live.machine import measured_on
from fer_live.preprocess import whole_image_squares
from fer_live.realtime.labels.quality import measure
from fer_live.training.data.fer2013 import Usage, load_fer2013
from fer_live.training.evaluation.corruptions import CORRUPTIONS, corrupt
from fer_live.training.evaluation.predictors import load_predictor
from fer_live.training.evaluation.selective import operating_point, risk_coverage, threshold_for
from fer_live.training.evaluation.splits import Answers

RISKS = (0.15, 0.2, 0.25)
SIDES_PX = (40, 32, 28, 24, 20, 18, 16, 14, 12, 10)
BLURS = {"blur": (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0), "motion": (3, 5, 7, 9, 13)}
SHARPNESS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.10, 0.12, 0.15, 0.20, 0.30)


def row(name: str, answers: Answers, least: float, skill: float) -> str:
    """One line of a table: ``least`` is the confidence asked, ``skill`` the clean pictures' accuracy above chance."""
    accuracy, point = answers.correct.mean(), operating_point(answers, least)
    wrong = f"{100 * point.risk:.1f}" if point.answered else "-"
    shares = f"{100 * accuracy:.1f} | {100 * point.coverage:.0f} | {wrong} | {(accuracy - 1 / 7) / skill:.2f}"
    return f"| {name} | {len(answers.truth):,} | {shares} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FER2013 as .npz, .csv or folder")
    parser.add_argument(
        "--model", type=Path, default=asset_path(MODEL_INT8), help="an .onnx (default: the bundled one)"
    )
    parser.add_argument("--risk", type=float, default=0.2, help="share of wrong answers that is allowed (default 0.2)")
    wanted = parser.parse_args()
    data = load_fer2013(wanted.data)
    rows = data.rows(Usage.PublicTest)
    images, truth = data.images[rows], data.expression[rows]
    predict = load_predictor(wanted.model, torch.device("cpu"))
    print(measured_on(("onnxruntime-gpu", "opencv-python")), f"{wanted.model.name}, {len(images):,} images", sep="; ")

    answers = Answers(predict(images)[0], truth)
    curve = risk_coverage(answers)
    print("\n| at most wrong % | confidence | answered % |\n|---:|---:|---:|")
    for risk in sorted({*RISKS, wanted.risk}):
        point = operating_point(answers, threshold_for(curve, risk))
        print(f"| {100 * risk:g} | {point.threshold:.3f} | {100 * point.coverage:.0f} |")

    least = threshold_for(curve, wanted.risk)
    skill = float(answers.correct.mean()) - 1 / 7
    head = (
        "| n | accuracy % | confident % | wrong among the confident % | share of the skill left |\n|---|" + "---:|" * 5
    )
    print(f"\n| side px {head}")
    print(row("48", answers, least, skill))
    by_key = {corruption.key: corruption for corruption in CORRUPTIONS}
    for side in SIDES_PX:
        small = corrupt(by_key["size"], images, side)
        print(row(str(side), Answers(predict(small)[0], truth), least, skill), flush=True)

    seen = []
    for key, strengths in BLURS.items():
        for strength in strengths:
            worse = corrupt(by_key[key], images, strength)
            seen.append((measure(worse[:, None], whole_image_squares(worse), None).sharpness, predict(worse)[0], truth))
    sharpness, probabilities, labels = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    print(f"\n| sharpness {head}")
    for low, high in pairwise(SHARPNESS):
        there = (sharpness >= low) & (sharpness < high)
        if there.any():
            print(row(f"{low:.2f}-{high:.2f}", Answers(probabilities[there], labels[there]), least, skill))


if __name__ == "__main__":
    main()
