"""A folder of pictures with its page, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fer_live.errors import SinkError
from fer_live.files import make_folder, system_errors_as

from .page import Picture, names_on_page

__all__ = ["check_folder", "write_folder"]


def check_folder(folder: Path) -> None:
    """Make sure that the folder can be written: new, empty, or one that :func:`write_folder` wrote.

    Raises:
        SinkError: it is a file, holds something else, or can't be made beside.
    """
    with system_errors_as(SinkError, folder):
        if folder.is_dir():
            others = _others(folder)
            if others:
                raise SinkError(f"{folder}: holds other files ({others[0]}); give another --out, or empty it")
        elif folder.exists():
            raise SinkError(f"{folder}: a file, not a folder; give another --out")
    make_folder(folder.absolute().parent)


def _others(folder: Path) -> list[str]:
    """What is in a folder beside a page and the pictures on it."""
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    page = folder / "index.html"
    names = names_on_page(page.read_text(encoding="utf-8", errors="replace")) if page.is_file() else None
    ours = set() if names is None else {"index.html", *(f"{name}.png" for name in names)}
    return sorted(files - ours)


def write_folder(folder: Path, page: str, pictures: Sequence[Picture]) -> None:
    """Write ``index.html`` and the pictures; what an earlier run wrote there is replaced.

    All is written beside the folder first, so that a full disk leaves it as it was.

    Raises:
        SinkError: the folder can't be written, or see :func:`check_folder`.
    """
    check_folder(folder)
    target = folder.absolute()
    with system_errors_as(SinkError, folder):
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made, before = beside / "made", beside / "before"
        try:
            made.mkdir()
            for picture in pictures:
                path = made / f"{picture.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture.png)
            (made / "index.html").write_text(page, encoding="utf-8")
            if target.exists():
                os.replace(target, before)  # a folder can't take the place of one that is not empty
            os.replace(made, target)
        except BaseException:
            if before.exists():
                os.replace(before, target)
            shutil.rmtree(beside, ignore_errors=True)
            raise
        shutil.rmtree(beside, ignore_errors=True)
