"""What the engine's short cuts cost in quality: its faces and labels against those of doing everything on every frame.

    python benchmarks/quality.py CLIP [CLIP ...]

The reference searches every frame at full resolution and classifies every face of it, with the same models and the
same smoothing. Printed are, of the reference's face-frames, the share that the engine found too (intersection over
union of at least 0.5); of those, the share with the same label, in doubt or not; and the share with the same label of
those where neither is in doubt; how many of the engine's face-frames the reference has not; and both numbers of tracks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from fer_live.machine import measured_on
from fer_live.realtime.datatypes import Result
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.tracking.tracker import iou

MIN_IOU = 0.5


class Labels:
    """A sink that keeps boxes (N, 4), labels (N,) and whether they are meant (N,) of every frame, and no pixels."""

    needs_pixels = False

    def __init__(self) -> None:
        self.frames: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def write(self, result: Result) -> None:
        """Keep what a frame has."""
        sure = np.array([doubt is None for doubt in result.expressions.doubts], np.bool_)
        self.frames.append((result.faces.xyxy, result.expressions.shown, sure))

    def finish(self) -> None:
        """Nothing is to be completed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Agreement:
    """Counts of a run's face-frames and labels against those of the reference."""

    def __init__(self, truth: Labels, ours: Labels) -> None:
        self.faces = self.found = self.same = self.both_sure = self.same_sure = self.extra = 0
        for (boxes, labels, sure), (our_boxes, our_labels, our_sure) in zip(truth.frames, ours.frames, strict=True):
            overlap = iou(boxes, our_boxes)
            self.faces += len(boxes)
            self.extra += int((overlap.max(0, initial=0) < MIN_IOU).sum())
            if len(boxes) and len(our_boxes):
                hit, which = overlap.max(1) >= MIN_IOU, overlap.argmax(1)
                equal, meant = (our_labels[which] == labels)[hit], (our_sure[which] & sure)[hit]
                self.found += len(equal)
                self.same += int(equal.sum())
                self.both_sure += int(meant.sum())
                self.same_sure += int((equal & meant).sum())

    @property
    def same_share(self) -> str:
        """Share with the same label of the faces that were found."""
        return share(self.same, self.found)


def share(part: int, whole: int) -> str:
    """In per cent; of nothing it is none."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def run(clip: Path, *, search: bool, classify: bool) -> tuple[Labels, int]:
    """What is found in a clip, and the number of tracks, with all the searching and all the classifying, or not."""
    with FileSource(clip) as source:
        size = max(source.info.size_wh) if search else 640
        with create_detector(detect_size=size) as detector:
            labels = Labels()
            classifier = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
            every = (1 if search else None, 1 if classify else None)
            pipeline = Pipeline(source, detector, classifier, [labels], detect_every=every[0], classify_every=every[1])
            return labels, pipeline.run().tracks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    cv2.setNumThreads(1)
    wanted = parser.parse_args()
    print(measured_on(("onnxruntime-gpu",)), end="\n\n")
    columns = ("clip", "frames", "face-frames", "found", "same label", "search alone", "classify alone")
    columns += ("where both are sure", "not there", "tracks", "true")
    print(f"| {' | '.join(columns)} |\n|---{'|---:' * (len(columns) - 1)}|")
    for clip in wanted.clips:
        truth, truth_tracks = run(clip, search=True, classify=True)
        ours, tracks = run(clip, search=False, classify=False)
        whole = Agreement(truth, ours)
        parts = [
            Agreement(truth, run(clip, search=not searching, classify=searching)[0]).same_share
            for searching in (True, False)
        ]
        row = (
            *(clip.name, len(ours.frames), whole.faces, share(whole.found, whole.faces), whole.same_share, *parts),
            *(share(whole.same_sure, whole.both_sure), whole.extra, tracks, truth_tracks),
        )
        print("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) + " |", flush=True)


if __name__ == "__main__":
    main()
