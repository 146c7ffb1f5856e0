"""How steady and how prompt the shown labels are: with smoothing, and without.

    python benchmarks/steadiness.py [--data fer2013.npz] [--tracks 40] [CLIP ...]

Three kinds of faces. Made-up answers about expressions that change at known times, with the noise that was measured
on clips (realtime/labels/transitions.py) or drawn from a Dirichlet distribution; two PublicTest images of FER2013, one
faded into the other under a jittering crop and a camera's noise, read by the bundled model; and clips, of which nobody
knows the true label: there only the changes are counted. "1 / N" frames were classified for what is shown; the raw
labels are those of every frame. Delays count from the frame on which the true label changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from fer_live.contract import FER2013_LABELS
from fer_live.machine import measured_on
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.realtime.labels.transitions import (
    ROUGH,
    STILL,
    TALKING,
    Track,
    fading_crops,
    make_track,
    shown_labels,
    steadiness,
)
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.fakes import ListSink

FPS_EVERY = ((25.0, 1), (25.0, 4), (30.0, 1), (30.0, 3))


def dirichlet_track(rng: np.random.Generator, fps: float, weight: float = 6.0) -> Track:
    """A track of which every answer is drawn anew around the true label."""
    track = make_track(rng, TALKING, fps=fps)
    rows = [rng.dirichlet(0.5 + weight * 0.5 * np.eye(7)[label]) for label in track.label]
    return Track(track.time_s, track.label, np.array(rows, np.float32))


def face_track(rng: np.random.Generator, classifier: OnnxClassifier, images: np.ndarray, y: np.ndarray) -> Track:
    """Four faces of different labels, 6 s each at 25 fps, as the model reads them."""
    which = [int(rng.integers(len(y)))]
    while len(which) < 4:
        new = int(rng.integers(len(y)))
        if y[new] != y[which[-1]]:
            which.append(new)
    crops = fading_crops(rng, images[which], classifier.contract, frames_each=150)
    raw = classifier.classify(crops).probabilities
    return Track(np.arange(len(raw)) / 25, np.repeat(y[which].astype(np.int64), 150), raw)


def recognised(classifier: OnnxClassifier, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """PublicTest images that the model labels rightly, so that it is known when its answer should change."""
    with np.load(data) as arrays:
        public = arrays["usage"] == 1
        images, y = arrays["images"][public], arrays["emotion"][public]
    right = classifier.classify(images[:, None]).probabilities.argmax(axis=1) == y
    return images[right], y[right]


def row(name: str, tracks: list[Track], fps: float, every: int) -> str:
    raw = steadiness(tracks, shown_labels(tracks, FER2013_LABELS, enabled=False))
    shown = steadiness(tracks, shown_labels(tracks, FER2013_LABELS, every=every))
    true = steadiness(tracks, np.stack([track.label for track in tracks]))
    delays = 1e3 * np.quantile(shown.delays_s, [0.5, 0.9], method="lower")
    cells = (
        name,
        f"{fps:g}",
        f"1 / {every}",
        f"{true.changes_per_minute:.1f}",
        f"{raw.changes_per_minute:.0f}",
        f"{shown.changes_per_minute:.1f}",
        f"{shown.changes_per_minute / raw.changes_per_minute:.2f}",
        f"{delays[0]:.0f}",
        f"{delays[1]:.0f}",
        f"{100 * np.isinf(shown.delays_s).mean():.1f}",
        f"{100 * raw.right:.1f}",
        f"{100 * shown.right:.1f}",
        f"{len(shown.delays_s):,}",
    )
    return f"| {' | '.join(cells)} |"


def made_up(count: int, data: Path | None, classifier: OnnxClassifier) -> Iterator[str]:
    for name, noise in (("talking", TALKING), ("still", STILL), ("rough", ROUGH)):
        for fps, every in FPS_EVERY:
            rng = np.random.default_rng(0)
            yield row(name, [make_track(rng, noise, fps=fps) for _ in range(count)], fps, every)
    for fps, every in FPS_EVERY:
        rng = np.random.default_rng(0)
        yield row("Dirichlet", [dirichlet_track(rng, fps) for _ in range(count)], fps, every)
    if data is not None:
        images, y = recognised(classifier, data)
        rng = np.random.default_rng(0)
        tracks = [face_track(rng, classifier, images, y) for _ in range(count)]
        for every in (1, 4):
            yield row("FER2013 faces", tracks, 25, every)


def clip_tracks(path: Path, classifier: OnnxClassifier, every: int | None) -> list[list[tuple[float, int, int, str]]]:
    """Time, raw label, shown label and doubt of each face on each of its frames."""
    sink = ListSink()
    with create_detector("yunet") as detector, FileSource(path) as source:
        Pipeline(source, detector, classifier, [sink], detect_every=every, classify_every=every).run()
    seen: dict[int, list[tuple[float, int, int, str]]] = {}
    for result in sink.results:
        said = result.expressions
        best = said.raw.probabilities.argmax(axis=1).tolist()
        for key, *values in zip(result.track_ids.tolist(), best, said.shown.tolist(), said.doubts, strict=True):
            seen.setdefault(key, []).append((result.frame.time_s, *values[:2], str(values[2])))
    return [track for track in seen.values() if len(track) > 10]


def clip_row(path: Path, classifier: OnnxClassifier) -> str:
    """Changes of labels and doubts in a clip, with every face looked at on every frame and with fer-live's defaults."""
    cells = [path.name]
    for every in (1, None):
        tracks = clip_tracks(path, classifier, every)
        minutes = sum(track[-1][0] - track[0][0] for track in tracks) / 60
        raw, shown, doubts = (
            sum(a[field] != b[field] for track in tracks for a, b in pairwise(track)) / minutes for field in (1, 2, 3)
        )
        if every == 1:
            cells += [f"{len(tracks)}", f"{60 * minutes:.0f}", f"{raw:.0f}"]
        doubtful = np.mean([frame[3] != "None" for track in tracks for frame in track])
        cells += [f"{shown:.1f}", f"{doubts:.1f}", f"{100 * doubtful:.0f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, help="FER2013 as .npz: adds the faded faces")
    parser.add_argument("--tracks", type=int, default=40, help="of 30 s, for each row (default 40)")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    classifier = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
    print(measured_on(("onnxruntime-gpu", "numpy")), "\n")
    print("| faces | fps | frames | true changes / min | raw | shown | shown / raw | delay p50 ms | p90 ms |", end="")
    print(" never shown % | raw right % | shown right % | n transitions |\n|---" + "|---:" * 12 + "|")
    for line in made_up(wanted.tracks, wanted.data, classifier):
        print(line, flush=True)
    if wanted.clips:
        print("\n| clip | tracks | seconds of faces | raw changes / min | shown | doubts / min | in doubt % |", end="")
        print(" by default: shown | doubts / min | in doubt % |\n|---" + "|---:" * 9 + "|")
        for clip in wanted.clips:
            print(clip_row(clip, classifier), flush=True)


if __name__ == "__main__":
    main()
