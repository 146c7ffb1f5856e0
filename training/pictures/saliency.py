"""Where a network looks: Grad-CAM (Selvaraju et al. 2017) and occlusion sensitivity (Zeiler & Fergus 2014).

Both ask for one label of the first head, FER2013's. They answer different questions: Grad-CAM where the last maps
that speak for the label are strong, occlusion how much the label's probability falls when a place is covered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fer_live.contract import Contract
from fer_live.errors import ModelError
from fer_live.training.evaluation.logits import normalise, predict_logits, probabilities_of

from .trace import Call

__all__ = ["enlarge", "grad_cam", "last_conv_stage", "occlusion"]

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]


def last_conv_stage(calls: Sequence[Call]) -> str | None:
    """Name of the module whose output Grad-CAM looks at by default; None for a network without maps.

    It is the last one whose maps have the shape of the last convolution's: so norm, activation and the sum of a
    residual block are in, a pool that makes the maps smaller is not.

    Args:
        calls: :func:`~fer_live.training.pictures.trace.trace` of the network.
    """
    convolved = [call.shape for call in calls if isinstance(call.module, nn.Conv2d) and call.is_map]
    if not convolved:
        return None
    return next(call.name for call in reversed(calls) if call.shape == convolved[-1])


def grad_cam(network: nn.Module, images: Images, contract: Contract, labels: Sequence[int], layer: str) -> Floats:
    """Grad-CAM: the layer's maps, each weighted by the mean slope of the label's logit on it, summed and rectified.

    Args:
        network: in evaluation mode, on the CPU.
        images: faces (N, S, S).
        contract: of the network.
        labels: N label numbers of the first head.
        layer: name of a module that gives maps (N, C, h, w).

    Returns:
        (N, h, w), 0 and more, in logits: what the maps at this place add to the label's logit by the linear
        estimate that the slopes give, times h w.

    Raises:
        ModelError: there is no such layer, or it gives no maps.
    """
    modules = dict(network.named_modules())
    if layer not in modules or not layer:
        raise ModelError(f"the network has no layer {layer!r}; the diagram names them all")
    held: list[Tensor] = []

    def hold(module: nn.Module, inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[2] * output.shape[3] == 1:
            raise ModelError(f"layer {layer!r} has no feature maps to look at; the diagram shows which layers have")
        maps = output if output.requires_grad else output.detach().requires_grad_()
        held.append(maps)
        return maps.clone()  # the next layer may work in place

    hook = modules[layer].register_forward_hook(hold)
    try:
        with torch.enable_grad():
            logits: Tensor = network(normalise(torch.from_numpy(images)[:, None], contract))[0]
            if not held:
                raise ModelError(f"layer {layer!r} does not run; the diagram names those that do")
            chosen = logits[torch.arange(len(images)), torch.tensor(list(labels))].sum()
            (slopes,) = torch.autograd.grad(chosen, held[-1])
    finally:
        hook.remove()
    weights = slopes.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
    return np.asarray(functional.relu((weights * held[-1]).sum(1)).detach().numpy(), np.float32)


def occlusion(
    network: nn.Module,
    images: Images,
    contract: Contract,
    *,
    patch_px: int = 16,
    stride_px: int = 4,
) -> Floats:
    """How much each label's probability falls when a grey patch covers a place.

    The patch has the mean grey of the training images, from the contract. It also stands partly beyond the edges, so
    that every pixel is covered equally often where ``patch_px`` is a multiple of ``stride_px``.

    Args:
        network: as in :func:`grad_cam`.
        images: faces (N, S, S).
        contract: of the network.
        patch_px: side of the patch.
        stride_px: step between its places, at most ``patch_px``.

    Returns:
        (N, S, S, C): the mean fall of the label's calibrated probability over the patches that cover the pixel,
        -1..1; negative where covering makes the label more probable.

    Raises:
        ValueError: a patch or step that doesn't fit the face.
    """
    size = contract.size
    if not 1 <= stride_px <= patch_px <= size:
        raise ValueError(f"expected 1 <= stride <= patch <= {size} px, found stride {stride_px}, patch {patch_px}")
    starts = range(stride_px - patch_px, size, stride_px)
    boxes = [
        (slice(max(0, top), top + patch_px), slice(max(0, left), left + patch_px)) for top in starts for left in starts
    ]
    head = contract.heads[0]

    def probabilities(faces: Images) -> Floats:
        logits = predict_logits(network, faces, contract, torch.device("cpu"), batch=64)[0]
        return probabilities_of(logits, head.temperature)

    falls = np.zeros((len(images), size, size, len(head.labels)), np.float32)
    times = np.zeros((size, size, 1), np.float32)
    for box in boxes:
        times[box] += 1
    for image, fall, seen in zip(images, falls, probabilities(images), strict=True):
        covered = np.repeat(image[None], len(boxes), 0)
        for face, box in zip(covered, boxes, strict=True):
            face[box] = round(255 * contract.mean)
        for box, drop in zip(boxes, seen - probabilities(covered), strict=True):
            fall[box] += drop
        fall /= times
    return falls


def enlarge(maps: Floats, size: int) -> Floats:
    """Maps (N, h, w) as (N, size, size), bilinear: how Grad-CAM is laid over a face."""
    large = functional.interpolate(torch.from_numpy(maps)[:, None], (size, size), mode="bilinear", align_corners=False)
    return np.asarray(large[:, 0].numpy(), np.float32)
