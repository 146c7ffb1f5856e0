"""Buckets and bound buffers: onnxruntime itself, on the CPU's memory and provider where there is no GPU."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.bundled import MODEL, asset_path
from fer_live.errors import DeviceError
from fer_live.model_metadata import BATCH_DIMENSION
from fer_live.realtime.inference import cuda_model as module
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.inference.cuda_model import BUCKETS, CudaModel, bucket_of, open_cuda_session


def open_cpu_session(model: bytes, bucket: int, *, threads: int, cuda_graph: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_free_dimension_override_by_name(BATCH_DIMENSION, bucket)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def reference() -> OnnxClassifier:
    return OnnxClassifier(asset_path(MODEL), Device.CPU)


def stand_in(reference: OnnxClassifier, **options: Any) -> CudaModel:
    options = {"open_session": open_cpu_session, "memory": "cpu", **options}
    return CudaModel(asset_path(MODEL).read_bytes(), reference.contract, **options)


@pytest.fixture(scope="module")
def model(reference: OnnxClassifier) -> CudaModel:
    return stand_in(reference)


def random_crops(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 48, 48), np.uint8)


@given(st.integers(1, 64))
def test_the_bucket_holds_the_batch_and_is_less_than_twice_as_large(faces: int) -> None:
    bucket = bucket_of(faces)
    assert bucket in BUCKETS
    assert faces <= bucket < 2 * faces


def test_no_bucket_holds_more_than_the_largest() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        bucket_of(65)


@settings(max_examples=12)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_answers_are_those_without_buckets_whatever_came_before(
    model: CudaModel, reference: OnnxClassifier, sizes: list[int], seed: int
) -> None:
    """Batches of many sizes in turn: no face of an earlier one is left in what a later one is told."""
    batches = [random_crops(size, seed + index) for index, size in enumerate(sizes)]
    answers = [model.run(crops) for crops in batches]
    for crops, answer in zip(batches, answers, strict=True):
        assert answer.shape == (len(crops), 7)
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, reference.classify(crops).probabilities, atol=1e-5)


def test_each_bucket_is_opened_once_and_run_before_it_is_needed(reference: OnnxClassifier) -> None:
    opened: list[int] = []

    def counting(model: bytes, bucket: int, *, threads: int, cuda_graph: bool) -> Any:
        opened.append(bucket)
        return open_cpu_session(model, bucket, threads=threads, cuda_graph=cuda_graph)

    lazy = stand_in(reference, open_session=counting)
    assert opened == []
    lazy.run(random_crops(3, 0))
    lazy.run(random_crops(4, 0))
    assert opened == [4]
    lazy.warm_up(5)
    assert opened == [4, 1, 2, 8]
    lazy.warm_up(8)
    lazy.run(random_crops(7, 0))
    assert opened == [4, 1, 2, 8]


def test_cuda_graphs_are_asked_for_only_on_request(reference: OnnxClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    class Session:
        def __init__(self, model: bytes, options: Any, *, providers: Any, enable_fallback: int) -> None:
            assert enable_fallback == 0
            assert providers[1] == "CPUExecutionProvider"
            seen.append(providers[0][1])

        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    monkeypatch.setattr(module, "load_libraries", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    for wanted in (False, True):
        open_cuda_session(b"", 8, threads=1, cuda_graph=wanted)
    assert [options.get("enable_cuda_graph") for options in seen] == [None, "1"]


@pytest.mark.parametrize("missing", ["libcurand.so.10: cannot open shared object file", None])
def test_a_cuda_provider_that_does_not_load_is_an_error(missing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime only warns and takes the CPU where its CUDA libraries are missing."""

    class Session:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setattr(module, "load_libraries", lambda: missing)
    monkeypatch.setattr(module, "why_not_loaded", lambda: "undefined symbol")
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    with pytest.raises(DeviceError, match=missing or "undefined symbol") as caught:
        open_cuda_session(b"", 1, threads=1, cuda_graph=False)
    assert "fer-live[cuda]" in str(caught.value)


def test_a_session_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA failure 35: CUDA driver version is insufficient\nfile=cuda_call.cc ; line=129")

    monkeypatch.setattr(module, "load_libraries", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    with pytest.raises(DeviceError, match="driver version is insufficient") as caught:
        open_cuda_session(b"", 1, threads=1, cuda_graph=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fails_at", [0, 2])
def test_a_run_that_fails_is_an_error_and_never_an_answer(fails_at: int, reference: OnnxClassifier) -> None:
    """At the start, where cuDNN is missing, or later, when the GPU falls off the bus."""

    class Lost:
        def __init__(self, session: Any) -> None:
            self._session, self._runs = session, 0

        def io_binding(self) -> Any:
            return self._session.io_binding()

        def run_with_iobinding(self, binding: Any) -> None:
            self._runs += 1
            if self._runs > fails_at:
                raise RuntimeError("CUDA failure 719: unspecified launch failure")
            self._session.run_with_iobinding(binding)

    def open_lost(model: bytes, bucket: int, *, threads: int, cuda_graph: bool) -> Any:
        return Lost(open_cpu_session(model, bucket, threads=threads, cuda_graph=cuda_graph))

    lost = stand_in(reference, open_session=open_lost)
    for _ in range(max(fails_at - 1, 0)):
        lost.run(random_crops(2, 0))
    with pytest.raises(DeviceError, match="unspecified launch failure"):
        lost.run(random_crops(2, 0))


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_on_a_gpu_answers_are_those_of_the_cpu(cuda_graph: bool, reference: OnnxClassifier) -> None:
    model = stand_in(reference, open_session=open_cuda_session, memory="cuda", cuda_graph=cuda_graph)
    try:
        model.warm_up(64)
    except DeviceError as error:
        pytest.skip(str(error))
    for faces in (1, 3, 64, 5, 2, 64, 1):
        crops = random_crops(faces, faces)
        np.testing.assert_allclose(model.run(crops), reference.classify(crops).probabilities, atol=1e-2)
