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


def run(clip: Path, *, exact: bool) -> tuple[Labels, int]:
    """What is found in a clip, and the number of tracks."""
    with FileSource(clip) as source:
        size = max(source.info.size_wh) if exact else 640
        every = 1 if exact else None
        with create_detector(detect_size=size) as detector:
            labels = Labels()
            classifier = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
            pipeline = Pipeline(source, detector, classifier, [labels], detect_every=every, classify_every=every)
            return labels, pipeline.run().tracks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    cv2.setNumThreads(1)
    wanted = parser.parse_args()
    print(measured_on(("onnxruntime-gpu",)), end="\n\n")
    print("| clip | frames | face-frames | found | same label | where both are sure | not there | tracks | true |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for clip in wanted.clips:
        (truth, truth_tracks), (ours, tracks) = run(clip, exact=True), run(clip, exact=False)
        faces = found = same = both_sure = same_sure = extra = 0
        for (boxes, labels, sure), (our_boxes, our_labels, our_sure) in zip(truth.frames, ours.frames, strict=True):
            overlap = iou(boxes, our_boxes)
            faces += len(boxes)
            extra += int((overlap.max(0, initial=0) < MIN_IOU).sum())
            if len(boxes) and len(our_boxes):
                hit, which = overlap.max(1) >= MIN_IOU, overlap.argmax(1)
                equal, meant = (our_labels[which] == labels)[hit], (our_sure[which] & sure)[hit]
                found, same = found + len(equal), same + int(equal.sum())
                both_sure, same_sure = both_sure + int(meant.sum()), same_sure + int((equal & meant).sum())
        pairs = ((found, faces), (same, found), (same_sure, both_sure))
        shares = [f"{100 * part / whole:.1f} %" if whole else "-" for part, whole in pairs]
        row = (clip.name, len(ours.frames), faces, *shares, extra, tracks, truth_tracks)
        print("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) + " |", flush=True)


if __name__ == "__main__":
    main()
