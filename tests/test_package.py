"""The shape of the package: what may import what, and that the checkout's folders don't get in the way."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fer_live
from fer_live import errors

ROOT = Path(__file__).resolve().parents[1]
LIVE_MODULES = sorted(
    [f"fer_live.{path.stem}" for path in (ROOT / "fer_live").glob("*.py") if path.stem != "__init__"]
    + [
        ".".join(["fer_live", *path.relative_to(ROOT).with_suffix("").parts])
        for path in (ROOT / "realtime").rglob("*.py")
        if path.stem != "__init__"
    ]
)
LAZY_EXCEPTION = ROOT / "training" / "pictures" / "command.py"
"""The one module of the training room that may import the live engine, and only inside its functions."""
PYTHON_API = ROOT / "fer_live" / "__init__.py"
"""Likewise of the shared room: ``fer_live.open``."""


def python(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("in_checkout", [True, False])
def test_live_imports_no_training_library(in_checkout: bool, tmp_path: Path) -> None:
    """Also proves that every room is found where Python starts in the root, whose folder fer_live/ comes first."""
    code = (
        f"import importlib, sys\nfor name in {LIVE_MODULES!r}: importlib.import_module(name)\n"
        "heavy = ('torch', 'torchvision', 'onnx', 'matplotlib', 'mediapipe', 'pyarrow')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert python(code, ROOT if in_checkout else tmp_path) == "[]\n"


@pytest.mark.parametrize(
    "module",
    [
        "fer_live.realtime.cli",
        "fer_live.export.cli",
        "fer_live.training.cli",
        "fer_live.training.report.command",
        "fer_live.training.search.command",
        "fer_live.training.pictures.command",
        "fer_live.training.results.equal_compute_command",
    ],
)
def test_command_lines_import_nothing_heavy(module: str, tmp_path: Path) -> None:
    code = (
        f"import sys, {module}\n"
        "print([name for name in ('numpy', 'cv2', 'onnxruntime', 'av', 'torch', 'rich') if name in sys.modules])"
    )
    assert python(code, tmp_path) == "[]\n"


def test_the_package_alone_loads_nothing(tmp_path: Path) -> None:
    code = "import sys, fer_live\nprint([name for name in ('numpy', 'cv2', 'click') if name in sys.modules])"
    assert python(code, tmp_path) == "[]\n"
    assert python(f"{code}\nprint(fer_live.Face.__name__, 'torch' in sys.modules)", tmp_path) == "[]\nFace False\n"


def name_of(path: Path) -> str:
    """The installed name of a module of a room."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "fer_live" else ("fer_live", *parts))


def imported(path: Path, *, at_start: bool = False) -> set[str]:
    """What a module imports, modules and the names taken from them, by their full names.

    With ``at_start`` only what it imports itself, not when a function of it runs.
    """
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_start and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = name_of(path).split(".")[: -node.level] if node.level else []
            module = ".".join([*above, node.module] if node.module else above)
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return names


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("fer_live", ["fer_live.realtime", "fer_live.training", "fer_live.export"]),
        ("realtime", ["fer_live.training", "fer_live.export"]),
        ("training", ["fer_live.realtime", "fer_live.export"]),
        ("export", ["fer_live.realtime"]),
    ],
)
def test_dependencies_run_one_way(room: str, forbidden: list[str]) -> None:
    for path in (ROOT / room).rglob("*.py"):
        lazily = path in (LAZY_EXCEPTION, PYTHON_API)
        names = imported(path, at_start=lazily)
        wrong = [name for name in names for bad in forbidden if name == bad or name.startswith(f"{bad}.")]
        assert not wrong, f"{path}: {wrong}"


def test_the_one_exception_is_used_and_nothing_depends_on_it() -> None:
    """docs/adr/0009-faces-for-pictures.md: a command at the edge, which nobody imports."""
    for exception in (LAZY_EXCEPTION, PYTHON_API):
        assert any(name.startswith("fer_live.realtime.") for name in imported(exception))
    for room in ("fer_live", "realtime", "training", "export"):
        for path in (ROOT / room).rglob("*.py"):
            assert name_of(LAZY_EXCEPTION) not in imported(path), path


def test_the_packages_of_training_need_each_other_in_no_circle() -> None:
    """Imports inside functions count, too. The modules beside the packages stand for themselves."""
    training = ROOT / "training"
    needs: dict[str, set[str]] = {}
    for path in training.rglob("*.py"):
        here = path.relative_to(training).with_suffix("").parts[0]
        found = {name.split(".")[2] for name in imported(path) if name.startswith("fer_live.training.")}
        needs.setdefault(here, set()).update(found - {here})
    TopologicalSorter(needs).prepare()


def test_rooms_are_imported_by_their_installed_names() -> None:
    """`realtime` is also a published package. (Ruff cannot ban the name: it reads our relative imports as it.)"""
    for room in ("fer_live", "realtime", "training", "export", "tests", "benchmarks", "samples"):
        for path in (ROOT / room).rglob("*.py"):
            wrong = {name.partition(".")[0] for name in imported(path)} & {"realtime", "training", "export"}
            assert not wrong, f"{path}: import fer_live.{wrong.pop()}"


def test_error_tree_is_the_one_in_its_docstring() -> None:
    tree = (errors.__doc__ or "").split("\n\n")[1]
    assert set(re.findall(r"\w+Error", tree)) == set(errors.__all__)
    assert all(issubclass(getattr(errors, name), errors.FerLiveError) for name in errors.__all__)


@pytest.mark.parametrize("module", LIVE_MODULES)
def test_all_names_exist(module: str) -> None:
    imported_module = __import__(module, fromlist=["__all__"])
    for name in imported_module.__all__:
        assert hasattr(imported_module, name)


def test_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert version("fer-live") == fer_live.__version__
