"""What ``--device`` comes to, with sessions and timings given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fer_live.errors import ContractError, DeviceError, FerLiveError, ModelError
from fer_live.realtime.inference import device_choice as module
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.inference.cuda_driver import NoCuda
from fer_live.realtime.inference.device_choice import Choice, likely_batch, open_classifier


class Opened:
    """Opens stand-ins that know where they run; on CUDA it may fail."""

    def __init__(self, cuda_error: FerLiveError | None = None) -> None:
        self.cuda_error = cuda_error
        self.devices: list[tuple[str, Device]] = []

    def __call__(self, path: Path, device: Device, threads: int) -> OnnxClassifier:
        self.devices.append((path.name, device))
        if device is Device.CUDA and self.cuda_error is not None:
            raise self.cuda_error
        return cast(OnnxClassifier, device)


def never(classifier: OnnxClassifier, batch: int) -> float:
    raise AssertionError("nothing was to be timed")


def times(cpu_ms: float, cuda_ms: float) -> Callable[[Any, int], float]:
    return lambda classifier, batch: {Device.CPU: cpu_ms, Device.CUDA: cuda_ms}[classifier]


def set_cuda(monkeypatch: pytest.MonkeyPatch, found: NoCuda | None) -> None:
    monkeypatch.setattr(module, "why_no_cuda", lambda: found)


def test_auto_takes_the_faster_one_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    set_cuda(monkeypatch, None)
    opened = Opened()
    fast_gpu = open_classifier(None, "auto", batch=8, open_on=opened, measure=times(5.7, 0.4))
    assert fast_gpu == Choice(
        cast(OnnxClassifier, Device.CUDA), reason="cuda (0.40 ms a batch of 8; cpu 5.70 ms)", warning=None
    )
    assert opened.devices == [("expression_int8.onnx", Device.CPU), ("expression.onnx", Device.CUDA)]
    fast_cpu = open_classifier(None, "auto", batch=1, open_on=Opened(), measure=times(0.7, 1.25))
    assert fast_cpu == Choice(
        cast(OnnxClassifier, Device.CPU), reason="cpu (0.70 ms a batch of 1; cuda 1.25 ms)", warning=None
    )


def test_a_model_of_ones_own_runs_on_either(monkeypatch: pytest.MonkeyPatch) -> None:
    set_cuda(monkeypatch, None)
    opened = Opened()
    open_classifier(Path("own.onnx"), "auto", batch=8, open_on=opened, measure=times(1, 1))
    assert opened.devices == [("own.onnx", Device.CPU), ("own.onnx", Device.CUDA)]


@pytest.mark.parametrize(
    ("found", "warning"),
    [
        (NoCuda("no NVIDIA driver was found", surprising=False), None),
        (NoCuda("the NVIDIA driver fails with CUDA error 999", surprising=True), "driver fails with CUDA error 999"),
    ],
)
def test_auto_without_cuda_times_nothing_and_warns_only_where_it_surprises(
    found: NoCuda, warning: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cuda(monkeypatch, found)
    opened = Opened()
    choice = open_classifier(None, "auto", batch=8, open_on=opened, measure=never)
    assert choice.classifier is cast(OnnxClassifier, Device.CPU)
    assert choice.reason is None
    assert opened.devices == [("expression_int8.onnx", Device.CPU)]
    if warning is None:
        assert choice.warning is None
    else:
        assert choice.warning is not None
        assert warning in choice.warning
        assert "runs on the CPU" in choice.warning


@pytest.mark.parametrize(
    "error",
    [DeviceError("libcurand.so.10: cannot open shared object file"), ContractError("answers its probe 0.1 away")],
)
def test_auto_goes_on_with_the_cpu_where_cuda_breaks_and_says_so(
    error: FerLiveError, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cuda(monkeypatch, None)
    choice = open_classifier(None, "auto", batch=8, open_on=Opened(error), measure=never)
    assert choice.classifier is cast(OnnxClassifier, Device.CPU)
    assert choice.warning is not None
    assert str(error) in choice.warning


def test_a_broken_model_is_not_taken_for_a_broken_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_cuda(monkeypatch, None)
    (tmp_path / "corrupt.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot load it"):
        open_classifier(tmp_path / "corrupt.onnx", "auto", batch=8)
    with pytest.raises(ModelError, match="cannot load it"):
        open_classifier(tmp_path / "corrupt.onnx", Device.CUDA, batch=8)


def test_cuda_that_was_asked_for_is_never_the_cpu(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    with pytest.raises(DeviceError, match=r"asked for .*: libcurand\.so\.10 is missing; use --device cpu"):
        open_classifier(None, Device.CUDA, batch=8, open_on=Opened(DeviceError("libcurand.so.10 is missing")))
    choice = open_classifier(None, Device.CUDA, batch=8, open_on=Opened(), measure=never)
    assert choice == Choice(cast(OnnxClassifier, Device.CUDA))


def test_the_cpu_that_was_asked_for_needs_no_look_at_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "why_no_cuda", lambda: pytest.fail("not to be asked"))
    choice = open_classifier(None, Device.CPU, batch=8, open_on=Opened(), measure=never)
    assert choice == Choice(cast(OnnxClassifier, Device.CPU))


def test_a_real_model_is_timed(tiny_model: Path) -> None:
    classifier = OnnxClassifier(tiny_model)
    assert 0 < module.median_ms(classifier, likely_batch(is_live=True)) < 1e4
