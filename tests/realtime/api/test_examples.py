"""The examples in docs/examples run as they are."""

import importlib.util
import json
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
PHOTO, CLIP = ROOT / "samples" / "astronaut.jpg", ROOT / "samples" / "astronaut.mp4"


def module_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_run_here_and_told_in_the_guide() -> None:
    names = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert names == {"curves.ipynb", "share_of_smiles.py", "web_service.py"}
    guide = (ROOT / "docs" / "python.md").read_text()
    assert all(f"(examples/{name})" in guide for name in names)


def test_the_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["share_of_smiles.py", str(CLIP)])
    runpy.run_path(str(EXAMPLES / "share_of_smiles.py"), run_name="__main__")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("face 1: ") and "happy of 175 frames" in line
    monkeypatch.setattr(sys, "argv", ["share_of_smiles.py", "nowhere.mp4"])
    with pytest.raises(SystemExit, match=r"share_of_smiles: nowhere\.mp4: no such file"):
        runpy.run_path(str(EXAMPLES / "share_of_smiles.py"), run_name="__main__")


def test_the_web_service() -> None:
    testclient = pytest.importorskip("starlette.testclient")
    service = module_of("web_service")
    with testclient.TestClient(service.app) as client:
        answer = client.post("/faces", content=PHOTO.read_bytes())
        assert answer.status_code == 200
        assert answer.json()["size_wh"] == [512, 512] and answer.json()["faces"][0]["label"] == "happy"
        refused = client.post("/faces", content=b"Dear Sir")
        assert (refused.status_code, refused.json()["error"][:21]) == (422, "photo: is no picture ")
        service.MOST_BYTES = 1000
        assert client.post("/faces", content=PHOTO.read_bytes()).status_code == 413


def test_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells one after another, in one namespace, as the kernel runs them; it is stored without outputs."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    monkeypatch.chdir(ROOT)
    notebook = json.loads((EXAMPLES / "curves.ipynb").read_text())
    namespace: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            exec("".join(cell["source"]), namespace)
    matplotlib.pyplot.close("all")
    assert len(namespace["rows"]) == len(namespace["times"]) == 175  # type: ignore[arg-type]
    assert namespace["photo"].faces[0].label == "happy"  # type: ignore[attr-defined]
