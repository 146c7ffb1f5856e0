"""A photo, or those of a folder one after another, into annotated pictures and data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from fer_live.cli_errors import one_line
from fer_live.errors import SinkError, SourceError
from fer_live.printable import printable
from fer_live.realtime.data.manifest import run_facts
from fer_live.realtime.data.outputs import DataOutputs
from fer_live.realtime.datatypes import Detector, SourceInfo
from fer_live.realtime.engine_options import open_models
from fer_live.realtime.inference.classifier import OnnxClassifier
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sinks.targets import check_target, is_same_file
from fer_live.realtime.sources.image_sequences import images_in

from .annotated import PICTURE_SUFFIXES, annotate_photo, save_picture
from .photo import Photo, analyse_photo, open_head_detector
from .picture import PHOTO_SUFFIXES
from .rows import PictureRows

__all__ = ["PhotoRun"]

_LOSSLESS = (".bmp", ".png", ".pgm", ".pnm", ".ppm", ".tif", ".tiff")
"""Pictures of which the annotated one is a PNG; of the others it is a JPEG."""

_VIDEOS = (".mkv", ".mov", ".mp4")


class PhotoRun:
    """A run over photos; a context manager. Iterate inside, which does the work, then :meth:`end`.

    A photo that cannot be read ends a run over it alone; among others it is told and left out.

    Args:
        options: what was asked for; ``options.source.image`` names the photos.
        tell: is given what a user should know, a line each.
        name: what rows call a single photo; None: its file name.

    Attributes:
        paths: the photos, in natural order.
        failures: of those that could not be read, by name: why.
        done: how many were.
        faces: in those.
        interrupted: whether the run was asked to end before its end.

    Raises:
        FerLiveError: from entering: there are no photos, or a model or an output can't be opened.
        SourceError: from iterating: not one photo could be read.
        SinkError: from iterating, where an output cannot be written.
    """

    def __init__(
        self, options: RunOptions, tell: Callable[[str], None] = lambda _: None, *, name: str | None = None
    ) -> None:
        assert options.source is not None and options.source.image is not None
        self._options, self._tell = options, tell
        self._place = options.source.image
        self._is_folder = self._place.is_dir()
        self._stack = ExitStack()
        self._data: DataOutputs | None = None
        self._head_detector: Detector | None = None
        self._pictures: list[Path] = []
        self._name, self._names = name, dict[int, str]()
        self.paths: list[Path] = []
        self.failures: dict[str, str] = {}
        self.done = self.faces = 0
        self.interrupted = False
        self._started_s = time.perf_counter()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def _open(self, stack: ExitStack) -> None:
        options = self._options
        self.paths = images_in(self._place, PHOTO_SUFFIXES) if self._is_folder else [self._place]
        self._targets = _targets(self._place, self.paths, options.video.out, self._is_folder)
        self._names = {index: printable(self._name or path.name) for index, path in enumerate(self.paths)}
        info = SourceInfo(str(self._place), (1, 1), None, len(self.paths), is_live=False)
        self._detector, self._classifier = open_models(options.engine, info, stack, self._tell)
        if options.view.anonymise is not None:
            self._head_detector = stack.enter_context(open_head_detector())
        if options.data.asked:
            labels = self._classifier.contract.labels
            source = None if self._is_folder else self._place
            self._data = stack.enter_context(
                DataOutputs(
                    options.data, labels, info, source, self._facts(info), lambda: PictureRows(labels, self._names)
                )
            )

    def _facts(self, info: SourceInfo) -> dict[str, Any]:
        """See :func:`~fer_live.realtime.data.manifest.run_facts`; how a video is read says nothing here."""
        engine = self._options.engine
        asked = asdict(engine) | asdict(self._options.view)
        return run_facts(info, self._classifier, self._detector, asked) | {
            "detector": {"name": self._detector.name, "finest_px": engine.detect_size},
            # Filled as the run goes on, and written at its end.
            "source": {"name": info.name, "photos": len(self.paths), "failed": self.failures},
        }

    @property
    def classifier(self) -> OnnxClassifier:
        """What reads the faces."""
        return self._classifier

    @property
    def detector(self) -> Detector:
        """What finds them."""
        return self._detector

    def __iter__(self) -> Iterator[Photo]:
        """The photos that could be read, each after it was written."""
        self._started_s = time.perf_counter()
        for index, path in enumerate(self.paths):
            if self.interrupted:
                break
            try:
                photo = analyse_photo(
                    path,
                    self._detector,
                    self._classifier,
                    name=str(path),
                    index=index,
                    first_number=self.faces + 1,
                    finest_px=self._options.engine.detect_size,
                    head_detector=self._head_detector,
                )
            except SourceError as error:
                if not self._is_folder:
                    raise
                self.failures[path.name] = one_line(error)
                self._tell(f"{one_line(error)}; left out")
                continue
            self._write(photo, index)
            yield photo
        if not self.done and not self.interrupted:
            raise SourceError(f"{self._place}: not one of its {len(self.paths)} photos can be read")

    def _write(self, photo: Photo, index: int) -> None:
        self.done += 1
        self.faces += len(photo.faces)
        if self._targets is not None:
            target = self._targets[index]
            if self._is_folder:
                _make_folder(target.parent)
            self._pictures.append(save_picture(annotate_photo(photo, self._options.view), target, self.paths[index]))
        if self._data is not None:
            for sink in self._data.sinks:
                sink.write(photo.result)

    def interrupt(self) -> None:
        """Ask the run to end after the photo at hand, from a signal handler; a second time: end at once."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def end(self) -> None:
        """Complete the data.

        Raises:
            SinkError: they cannot be written.
        """
        if self._data is not None:
            for sink in self._data.sinks:
                sink.finish()
            self._data.end(interrupted=self.interrupted)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the outputs, one line each; after the end."""
        return () if self._data is None else self._data.warnings

    @property
    def written(self) -> tuple[Path, ...]:
        """The files that were written, or the folder of them; after the end."""
        out = self._options.video.out
        pictures = self._pictures if not self._is_folder or out is None else [out] if self._pictures else []
        return (*pictures, *(self._data.paths if self._data is not None else ()))

    def line(self) -> str:
        """The one line that stands at the end of a run."""
        seconds = time.perf_counter() - self._started_s
        parts = [
            f"{self.done:,} photo" + "s" * (self.done != 1),
            f"{self.faces:,} face" + "s" * (self.faces != 1),
            f"{seconds:.1f} s",
            self._classifier.provider,
            *([f"{len(self.failures):,} could not be read"] if self.failures else []),
        ]
        return ", ".join(parts) + (f", written to {', '.join(map(str, self.written))}" if self.written else "")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)


def _targets(place: Path, paths: list[Path], out: Path | None, is_folder: bool) -> dict[int, Path] | None:
    """Where each annotated picture goes; None where none was asked for.

    Raises:
        SinkError: it cannot go there.
    """
    if out is None:
        return None
    known = f"{', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}"
    if not is_folder:
        if out.suffix.lower() not in PICTURE_SUFFIXES:
            raise SinkError(f"{out}: give the annotated picture a name that ends in {known}")
        check_target(out, place)
        return {0: out}
    if is_same_file(out, place):
        raise SinkError(f"{out}: is the folder of the photos; choose another one for the annotated pictures")
    if out.exists() and not out.is_dir():
        raise SinkError(f"{out}: is a file; {place} is a folder, so name a folder for the annotated pictures")
    if not out.exists() and out.suffix.lower() in (*PICTURE_SUFFIXES, *_VIDEOS):
        raise SinkError(f"{out}: is the name of a file; {place} is a folder, so name a folder")
    if not out.exists() and not out.parent.is_dir():
        raise SinkError(f"{out}: there is no folder {out.parent}; create it first")
    targets = {index: out / _target_name(path) for index, path in enumerate(paths)}
    names = [path.name for path in targets.values()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SinkError(f"{out / twice}: two photos of {place} would be written there; rename one of them")
    return targets


def _target_name(path: Path) -> str:
    """The photo's own name where that is a format that is written, else with a suffix more: no two share one."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return path.name
    return f"{path.name}{'.png' if path.suffix.lower() in _LOSSLESS else '.jpg'}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder}: cannot be created ({error.strerror or error}); choose another place") from error
