"""Keeps a library from importing another one before it uses it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["imported_late"]


@contextmanager
def imported_late(package: str, module: str) -> Iterator[None]:
    """Inside, ``import package.module as …`` gives a stand-in, which imports the module when it is asked for something.

    Afterwards others import both as ever; inside, the package has nothing but the module. Where the package is imported
    already, nothing is changed.
    """
    if package in sys.modules:
        yield
        return
    stand_in, name = ModuleType(package), f"{package}.{module}"
    late = ModuleType(name)

    def of_the_real_one(attribute: str) -> Any:
        return getattr(importlib.import_module(name), attribute)

    vars(late)["__getattr__"] = of_the_real_one
    setattr(stand_in, module, late)
    sys.modules.update({package: stand_in, name: late})
    try:
        yield
    finally:
        for each in (package, name):
            sys.modules.pop(each, None)
