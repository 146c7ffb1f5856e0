"""Who is who across frames: ids for faces, found by a detector or followed between its looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Faces, Floats

from .motion import MIN_LIKENESS, likeness
from .trail import Course, Trail

__all__ = ["LOST_AFTER_S", "Ids", "Tracker", "iou"]

LOST_AFTER_S = 0.5
"""How long a track outlives the last sight of its face, seconds: it is forgotten if it is not seen in the first frame
that comes so much later."""

STILL_EXPECTED_S = 0.5
"""How long a face that was forgotten may well come back, though as another track, seconds."""

DECIDED_S = 0.16
"""How long a face that comes out from behind another may look unlike the one that is expected there, seconds."""

BESIDE = 2.0
"""A face may be partly behind another if their middles are no further apart than this share of the larger height."""

UNCONFIRMED_S = 0.25
"""How long a face is followed that the detector does not see any more, seconds."""

MIN_IOU = 0.25
"""Boxes that overlap less (intersection over union) are not the same face, unless it was out of sight meanwhile."""

REPLACED_LIKENESS = 0.8
"""The same for a face that vanished from one frame to the next, as at a cut. Measured on the pictures of one face in
neighbouring frames: 0.78 and more in 98 of 100; on those of two people: 0.73 and less in 95 of 100."""

SETTLED_IOU = 0.7
"""A followed box that overlaps the detector's more than this is averaged with it: less jitter in box and crop."""

Ids = NDArray[np.int64]


@dataclass(slots=True)
class _Hidden:
    """A face that is out of sight: turned away, covered, missed, or replaced by another after a cut."""

    xyxy: Floats
    pictures: Floats  # (2, D): the last one, and one from before anything began to cover it
    seen_s: float
    least_likeness: float
    course: Course | None  # None: it stays where it was
    held_s: float = 0.0  # how long a face that may be this one was held back
    replaced: bool = False  # others came with the very frame in which it vanished: it is back by another cut only

    @property
    def vanished(self) -> bool:
        """Whether it was lost from one frame to the next, as at a cut."""
        return self.least_likeness >= REPLACED_LIKENESS

    def expected(self, time_s: float) -> Floats:
        """The box (4,) where the face is if it went on as it moved before."""
        return self.xyxy if self.course is None else self.course.at(time_s)


class Tracker:
    """Keeps the faces in sight and their ids.

    Ids count from 1, are never used again and mean nothing beyond the run: no face is ever recognised.

    ``faces``, ``ids``: those in sight now, row by row. ``pictures``: (N, D) float32, see :func:`.motion.patches`.
    ``missed_s``: (N,) float64, when the detector first failed to see each, infinite where it did see it last.
    """

    def __init__(self) -> None:
        self.faces = Faces.empty()
        self.ids: Ids = np.zeros(0, np.int64)
        self.pictures: Floats = np.zeros((0, 0), np.float32)
        self.missed_s: NDArray[np.float64] = np.zeros(0)
        self._hidden: dict[int, _Hidden] = {}
        self._trail = Trail()
        self._forgot_s = -math.inf
        self._holds = self._replaced = False
        self._next_id = 1
        self._before_s = self._now_s = 0.0

    @property
    def count(self) -> int:
        """How many tracks there were so far."""
        return self._next_id - 1

    @property
    def is_unsettled(self) -> bool:
        """Whether a face was missed or lost so lately that it may come back, or others were seen but once."""
        return (
            self._replaced
            or bool(self._awaited())
            or bool(np.isfinite(self.missed_s).any())
            or 0 <= self._now_s - self._forgot_s < STILL_EXPECTED_S
        )

    @property
    def must_look(self) -> bool:
        """Whether this frame is the last on which a lost face may be seen again, or one was held back on the last."""
        return self._holds or any(self._is_over(track, self._now_s) for track in self._awaited())

    def next_frame(self, time_s: float) -> None:
        """Another frame, shown at ``time_s``: forget who was not seen again in time, and everybody across a gap."""
        before_s, self._now_s = self._now_s, time_s
        self._before_s = before_s
        self._trail.add(before_s, self.ids, self.faces.xyxy, self.pictures)
        if not self._hidden:
            return
        if not 0 <= time_s - before_s <= LOST_AFTER_S:
            self._hidden = {}
            return
        kept = {key: track for key, track in self._hidden.items() if not self._is_over(track, before_s)}
        # Where another face has taken a place the old one is not waited for.
        if any(not track.vanished for key, track in self._hidden.items() if key not in kept):
            self._forgot_s = time_s
        self._hidden = kept

    def _awaited(self) -> list[_Hidden]:
        return [track for track in self._hidden.values() if not track.replaced]

    @staticmethod
    def _is_over(track: _Hidden, time_s: float) -> bool:
        return time_s - track.seen_s >= LOST_AFTER_S - 1e-3

    def follow(self, moved: Faces, sure: NDArray[np.bool_], suddenly: NDArray[np.bool_]) -> None:
        """The faces have moved; those that are not ``sure`` (N,) were lost on the way.

        A face that the detector did not see :data:`UNCONFIRMED_S` ago nor since is lost, too. Where a face was lost
        ``suddenly`` (N,), one that is found there must look very much like it to be taken for the same.
        """
        self._hide(~sure & suddenly, REPLACED_LIKENESS)
        self._hide(~sure[sure | ~suddenly])
        self.faces = moved.only(sure)
        self._hide(self._now_s - self.missed_s > UNCONFIRMED_S)

    def find(self, found: Faces, pictures: Floats, *, followed: bool = False, trust: float = 1.0) -> None:
        """The detector has looked: take its faces over.

        Args:
            found: its faces (N).
            pictures: (N, D) of them.
            followed: :meth:`follow` was called for this frame, so that the known faces are where they should be, and
                one that the detector missed stays.
            trust: how far a followed box that agrees with the detector's is moved to that, 0..1; 0: no known face
                is moved, whether they agree or not.
        """
        ids, from_row = self._matched(found, pictures, followed)
        for key in ids.tolist():
            self._hidden.pop(key, None)
        settled = _settled(found, self.faces, from_row, trust)
        unseen = ~np.isin(self.ids, ids)
        if unseen.any():
            # No face stays in sight where another stands now.
            covered = iou(self.faces.xyxy, found.xyxy).max(1, initial=0) > 0.4
            if followed:
                covered |= self._passed(unseen & ~covered, found.xyxy[from_row >= 0], ids[from_row >= 0])
            self._hide(unseen & (covered | (not followed)))
            unseen = ~np.isin(self.ids, ids)
        held = self._held(found.xyxy, ids, from_row)
        self._holds = bool(held.any())
        if self._holds:
            settled, ids, pictures = settled.only(~held), ids[~held], pictures[~held]
        new = np.flatnonzero(ids == 0)
        ids[new] = np.arange(self._next_id, self._next_id + len(new))
        self._next_id += len(new)
        self._replaced = len(new) > 0 and self._replace()
        self.faces = Faces.joined((settled, self.faces.only(unseen)))
        missed_s = np.minimum(self.missed_s[unseen], self._now_s)
        self.missed_s = np.concatenate([np.full(len(ids), np.inf), missed_s])
        self.pictures = np.concatenate([pictures, self.pictures[unseen]]) if unseen.any() else pictures
        self.ids = np.concatenate([ids, self.ids[unseen]])

    def _replace(self) -> bool:
        """No longer await those who vanished at once with this frame, for new faces came; whether there are any."""
        gone = [track for track in self._hidden.values() if track.vanished and track.seen_s == self._before_s]
        for track in gone:
            track.replaced = True
        return bool(gone)

    def lose_all(self) -> None:
        """Another scene: no face is in sight any more, though the same may be found again."""
        self._hide(np.ones(len(self.ids), np.bool_), REPLACED_LIKENESS, moving=False)

    def _matched(self, found: Faces, pictures: Floats, followed: bool) -> tuple[Ids, NDArray[np.int64]]:
        """Ids (N,) of the tracks that faces continue, 0 for none, and the rows (N,) of those in sight, else -1."""
        n = len(found)
        ids, from_row = np.zeros(n, np.int64), np.full(n, -1, np.int64)
        hidden = list(self._hidden)
        keys = [*self.ids.tolist(), *hidden]
        if not n or not keys:
            return ids, from_row
        tracks = [self._hidden[key] for key in hidden]
        boxes = np.concatenate([self.faces.xyxy, *(track.xyxy[None] for track in tracks)])
        expected = np.concatenate([self.faces.xyxy, *(track.expected(self._now_s)[None] for track in tracks)])
        overlap = np.maximum(iou(found.xyxy, boxes), iou(found.xyxy, expected))
        known = np.concatenate([np.repeat(self.pictures, 2, 0), *(track.pictures for track in tracks)])
        alike = likeness(pictures, known).reshape(n, len(keys), 2).max(2)
        in_sight = np.arange(len(keys)) < len(self.ids)
        least = np.array([-1.0] * len(self.ids) + [track.least_likeness for track in tracks])
        if not followed:  # pictures of neighbouring frames: a face that looks quite different took the other's place
            least[in_sight] = MIN_LIKENESS
        # Where a face should be by now there may be another just as well, so it must look very much like it.
        near = _near(found.xyxy, boxes) & (alike >= least)
        near |= _near(found.xyxy, expected) & (alike >= REPLACED_LIKENESS)
        allowed = np.where(in_sight, (overlap >= MIN_IOU) & (alike >= least), near)
        # Where the face was comes first, what it looked like decides between faces that cross.
        score = np.where(allowed, overlap + 0.5 * alike + in_sight, -np.inf)
        free = np.ones(len(keys), np.bool_)
        for flat in np.argsort(-score, axis=None, kind="stable"):
            face, track = divmod(int(flat), len(keys))
            if not np.isfinite(score[face, track]):
                break
            if ids[face] == 0 and free[track]:
                ids[face], free[track] = keys[track], False
                from_row[face] = track if in_sight[track] else -1
        return ids, from_row

    def _held(self, found: Floats, ids: Ids, from_row: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the boxes found (N, 4) get no id yet, (N,).

        A face that is still partly behind another looks like neither. Where one that is hidden may come out, an unknown
        face beside a known one is left for the next frames to tell.
        """
        held = np.zeros(len(found), np.bool_)
        new, known = np.flatnonzero(ids == 0), np.flatnonzero(from_row >= 0)
        if not self._hidden or not len(new) or not len(known):
            return held
        beside = _near(found[new], found[known], BESIDE)  # (new, known)
        for track in self._hidden.values():
            if track.course is None or track.held_s >= DECIDED_S:
                continue
            here = _near(found[new], np.stack([track.xyxy, track.expected(self._now_s)])).any(1)
            if not (here & beside.any(1)).any():
                continue
            passing = self._passing(track.course, ids[known], np.asarray(beside[here].any(0)))
            here &= (beside & passing).any(1)
            if here.any():
                track.held_s += max(0.0, self._now_s - self._before_s)
                held[new] |= here
        return held

    def _passed(self, rows: NDArray[np.bool_], known: Floats, ids: Ids) -> NDArray[np.bool_]:
        """Which of the rows (N,) of those in sight went behind one of the boxes known (M, 4), of tracks ``ids`` (M,).

        What is followed of them is the other's face by then.
        """
        passed = np.zeros(len(rows), np.bool_)
        beside = _near(self.faces.xyxy, known)
        for row in np.flatnonzero(rows & beside.any(1)).tolist():
            course = self._trail.course(int(self.ids[row]), math.inf)
            passed[row] = course is not None and self._passing(course, ids, beside[row]).any()
        return passed

    def _passing(self, course: Course, ids: Ids, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the tracks (M,), of those ``asked`` for (M,), pass a face on this course."""
        passing = np.zeros(len(ids), np.bool_)
        for at in np.flatnonzero(asked).tolist():
            other = self._trail.course(int(ids[at]), math.inf)
            passing[at] = other is not None and course.passes(other)
        return passing

    def _hide(self, rows: NDArray[np.bool_], least_likeness: float = MIN_LIKENESS, *, moving: bool = True) -> None:
        if not rows.any():
            return
        seen_s = min(self._before_s, self._now_s)
        for row in np.flatnonzero(rows).tolist():
            key, last = int(self.ids[row]), self.pictures[row]
            course = self._trail.course(key, float(self.missed_s[row])) if moving else None
            clear = self._trail.picture(key) if moving else None
            pictures = np.stack([last, last if clear is None else clear])
            self._hidden[key] = _Hidden(self.faces.xyxy[row], pictures, seen_s, least_likeness, course)
        stay = ~rows
        self.faces = self.faces.only(stay)
        self.ids, self.pictures, self.missed_s = self.ids[stay], self.pictures[stay], self.missed_s[stay]


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union (N, M) of boxes a (N, 4) and b (M, 4), left, top, right, bottom; 0 for empty boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a = np.prod(np.clip(a[:, 2:] - a[:, :2], 0, None), axis=1)
    area_b = np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def _near(a: Floats, b: Floats, share: float = 1.0) -> NDArray[np.bool_]:
    """Whether (N, M) the middles of boxes are no further apart than this share of the height of the larger of them."""
    apart = np.linalg.norm((a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2, axis=2)
    high = np.maximum((a[:, 3] - a[:, 1])[:, None], (b[:, 3] - b[:, 1])[None])
    near: NDArray[np.bool_] = apart <= share * high
    return near


def _settled(found: Faces, followed: Faces, from_row: NDArray[np.int64], trust: float) -> Faces:
    """The faces found (N), averaged with where they were followed to, by row or -1, if the two agree well."""
    rows = np.flatnonzero(from_row >= 0)
    if not len(rows) or trust == 1:
        return found
    old = followed.only(from_row[rows])
    agree = np.diagonal(iou(found.xyxy[rows], old.xyxy)) > SETTLED_IOU
    # A square that was turned to level the eyes is not averaged with one that was not.
    agree &= np.abs(found.squares[rows, 3] - old.squares[:, 3]) < 5
    agree |= trust == 0
    rows, old = rows[agree], old.only(agree)
    xyxy, squares = found.xyxy.copy(), found.squares.copy()
    xyxy[rows] += (1 - trust) * (old.xyxy - xyxy[rows])
    squares[rows] += (1 - trust) * (old.squares - squares[rows])
    keypoints = found.keypoints
    if keypoints is not None and old.keypoints is not None:
        keypoints = keypoints.copy()
        keypoints[rows] += (1 - trust) * (old.keypoints - keypoints[rows])
    return Faces(xyxy, found.score, squares, keypoints)
