"""A model on a CUDA GPU: batches of fixed sizes, buffers bound once, nothing that falls back to the CPU unasked.

Since 1.20 onnxruntime plans every convolution anew when the batch's size changes (issue 23006: fifteen times slower
with sizes that take turns), so each size, a *bucket*, has a session of its own that never sees another one. A batch
goes into the smallest bucket that holds it, filled up with black faces whose answers are cut off again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fer_live.contract import Contract
from fer_live.errors import DeviceError, first_line
from fer_live.model_metadata import BATCH_DIMENSION, INPUT_NAME, output_names
from fer_live.sessions import set_up

from .cuda_driver import CUDA_PROVIDER, load_libraries, why_not_loaded

__all__ = ["BUCKETS", "CudaModel", "OpenSession", "bucket_of", "open_cuda_session"]

BUCKETS = (1, 2, 4, 8, 16, 32, 64)
"""Faces a run."""

FATAL = 4
"""Severity for onnxruntime's loggers: what goes wrong is raised, and told by us."""

_LIBRARIES = "pip install 'fer-live[cuda]' brings CUDA and cuDNN; the NVIDIA driver must be new enough for them"


class OpenSession(Protocol):
    """Opens a session; :func:`open_cuda_session` is the one outside of tests."""

    def __call__(self, model: bytes, bucket: int, *, threads: int, cuda_graph: bool) -> Any:
        """An ``onnxruntime.InferenceSession`` for batches of ``bucket`` faces."""


def bucket_of(faces: int, buckets: Sequence[int] = BUCKETS) -> int:
    """The smallest of ``buckets``, which ascend, that holds ``faces``.

    Raises:
        ValueError: none does.
    """
    for bucket in buckets:
        if bucket >= faces:
            return bucket
    raise ValueError(f"at most {buckets[-1]} faces fit, found {faces}")


def open_cuda_session(model: bytes, bucket: int, *, threads: int, cuda_graph: bool) -> Any:
    """A session on the first CUDA GPU for batches of ``bucket`` faces.

    Args:
        model: the ``.onnx`` file's bytes.
        bucket: faces a run.
        threads: of what little runs on the CPU.
        cuda_graph: replay one recorded CUDA graph instead of launching each kernel.

    Raises:
        DeviceError: CUDA's libraries don't load, or the GPU can't run this model.
    """
    missing = load_libraries()
    onnxruntime.set_default_logger_severity(FATAL)
    options = onnxruntime.SessionOptions()
    set_up(options, threads)
    options.add_free_dimension_override_by_name(BATCH_DIMENSION, bucket)
    # Exhaustive search would time each convolution's algorithms for every bucket at start.
    cuda = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
    if cuda_graph:
        cuda["enable_cuda_graph"] = "1"
    providers = [(CUDA_PROVIDER, cuda), "CPUExecutionProvider"]
    try:
        # Without a fallback: onnxruntime's is to print the error, and to go on with the CPU.
        session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise DeviceError(f"{first_line(error)} ({_LIBRARIES})") from error
    if session.get_providers()[0] != CUDA_PROVIDER:
        raise DeviceError(f"{missing or why_not_loaded()} ({_LIBRARIES})")
    return session


class CudaModel:
    """Gives the probabilities of any number of faces.

    Buckets are opened when first needed, or by :meth:`warm_up`. From one thread at a time; onnxruntime keeps what it
    records of a CUDA graph for each thread, so a new thread's first run in a bucket takes longer.

    Args:
        model: the bytes of an ``.onnx`` file that ``fer-export`` wrote.
        contract: how large its faces are, and how many labels it tells apart.
        threads: of what little runs on the CPU.
        buckets: sizes that batches are filled up to, ascending.
        cuda_graph: see :func:`open_cuda_session`. Whether it wins is for ``benchmarks/cuda.py`` to say.
        open_session: stands in for onnxruntime in tests.
        memory: where the bound buffers lie, "cuda", or "cpu" for tests.
    """

    provider = CUDA_PROVIDER

    def __init__(
        self,
        model: bytes,
        contract: Contract,
        *,
        threads: int = 1,
        buckets: Sequence[int] = BUCKETS,
        cuda_graph: bool = False,
        open_session: OpenSession = open_cuda_session,
        memory: str = "cuda",
    ) -> None:
        self._model, self._contract = model, contract
        self._threads, self._buckets, self._cuda_graph = threads, tuple(buckets), cuda_graph
        self._open_session, self._memory = open_session, memory
        self._opened: dict[int, _Bucket] = {}

    def warm_up(self, most_faces: int) -> None:
        """Open every bucket that batches of up to ``most_faces`` come into.

        Raises:
            DeviceError: see :meth:`open`.
        """
        self.open(range(1, most_faces + 1))

    def open(self, faces: Sequence[int]) -> None:
        """Open the buckets for batches of these sizes, and run each once: the first run plans and allocates.

        Raises:
            DeviceError: CUDA can't run the model, or the GPU's memory is full.
        """
        for bucket in sorted({bucket_of(n, self._buckets) for n in faces} - self._opened.keys()):
            session = self._open_session(self._model, bucket, threads=self._threads, cuda_graph=self._cuda_graph)
            with _failures_told():
                opened = _Bucket(session, self._contract, bucket, self._memory)
                opened.run(opened.faces)
            self._opened[bucket] = opened

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, C) float32 for crops (N, 1, S, S) uint8, N from 1 to the largest bucket's size.

        Raises:
            DeviceError: the run fails.
        """
        self.open([len(crops)])
        with _failures_told():
            return self._opened[bucket_of(len(crops), self._buckets)].run(crops)


class _Bucket:
    """A session with the buffers that it always reads from and writes to."""

    def __init__(self, session: Any, contract: Contract, size: int, memory: str) -> None:
        self._session = session
        self.faces = np.zeros((size, 1, contract.size, contract.size), np.uint8)
        make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self._input = make(list(self.faces.shape), np.uint8, memory, 0)
        answer = make([size, len(contract.labels)], np.float32, memory, 0)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT_NAME, self._input)
        self._binding.bind_ortvalue_output(output_names(contract)[1], answer)

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(crops)
        self.faces[:count] = crops
        self.faces[count:] = 0
        self._input.update_inplace(self.faces)  # a copy to the same address: a CUDA graph has that recorded
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        answer: NDArray[np.float32] = self._binding.copy_outputs_to_cpu()[0]
        return answer[:count]


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise DeviceError(f"CUDA fails in the expression model: {first_line(error)} ({_LIBRARIES})") from error
