"""Networks of torchvision with a head of ours, for weights learned on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.error import URLError

import torch
import torchvision.models  # type: ignore[import-untyped]
from torch import Tensor, nn

from fer_live.errors import ModelError

from .layers import EdgeChannel, attention_layer, classifier_layers
from .option_values import on_or_off, one_of

__all__ = ["TransferNet"]

CLASSIFIERS = {"resnet18": "fc", "resnet50": "fc", "resnet152": "fc", "efficientnet_b0": "classifier"}
"""The attribute that holds the classifier, to be replaced by ours."""

INPUTS = ("repeat", "learned")


class TransferNet(nn.Module):
    """A network of torchvision behind one grey channel, its classifier replaced; the input stays 48 x 48.

    The faces come normalised by FER2013's mean and deviation, which puts them in the range of ImageNet's own
    normalisation; the batch norms adapt the rest. The backbone's own layers, their norms and kernels are as ImageNet
    trained them; what options change stands before and behind it.

    Args:
        outputs: number of classes of each head.
        backbone: ``resnet18``, ``resnet50``, ``resnet152`` or ``efficientnet_b0``.
        input: ``repeat`` copies grey to three channels, ``learned`` makes three by a 3 x 3 convolution.
        attention: of the channels that the backbone gives, ``se`` or ``none``. Its gate follows from the maps' means,
            so it is the same on the means as on the maps.
        dropout: of what the backbone gives, before the fully connected layers.
        hidden: sizes of the fully connected layers before the heads.
        head_norm: batch norm of those, ``before`` or ``after`` the activation, or ``none``.
        head_dropout: see :func:`~fer_live.training.networks.layers.classifier_layers`.
        activation: of the fully connected layers, ``relu`` or ``leaky_relu``.
        edges: whether the face's edges come in too: instead of the third copy, or as another channel to learn from.
    """

    def __init__(
        self,
        outputs: Sequence[int],
        *,
        backbone: str,
        input: str = "repeat",
        attention: str = "none",
        dropout: float = 0.0,
        hidden: int | Sequence[int] = (),
        head_norm: str = "none",
        head_dropout: float | Sequence[float] = 0.0,
        activation: str = "relu",
        edges: bool = False,
    ) -> None:
        super().__init__()
        self.name = one_of("backbone", backbone, tuple(CLASSIFIERS))
        self.edges = EdgeChannel() if on_or_off("edges", edges) else nn.Identity()
        learned = one_of("input", input, INPUTS) == "learned"
        self.colour = nn.Conv2d(2 if edges else 1, 3, 3, padding=1) if learned else _Repeat()
        self.backbone = torchvision.models.get_model(backbone, weights=None)
        classifier = getattr(self.backbone, CLASSIFIERS[backbone])
        features = next(layer.in_features for layer in classifier.modules() if isinstance(layer, nn.Linear))
        setattr(self.backbone, CLASSIFIERS[backbone], nn.Identity())
        self.attention = attention_layer(attention, features)
        self.dropout = nn.Dropout(dropout)
        self.classifier, features, rate = classifier_layers(features, hidden, activation, head_norm, head_dropout)
        self.head_dropout = nn.Dropout(rate)
        self.heads = nn.ModuleList(nn.Linear(features, n) for n in outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C) of each head."""
        x = self.backbone(self.colour(self.edges(x)))  # (N, features)
        x = self.attention(x[:, :, None, None]).flatten(1)
        x = self.head_dropout(self.classifier(self.dropout(x)))
        return tuple(cast(Tensor, head(x)) for head in self.heads)

    def load_imagenet(self) -> None:
        """Start the backbone from torchvision's ImageNet weights; the head and a learned input keep theirs.

        Raises:
            ModelError: the weights are not on this machine and can't be fetched.
        """
        weights = torchvision.models.get_model_weights(self.name)["IMAGENET1K_V1"]
        try:
            state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
        except (URLError, OSError, RuntimeError) as error:
            raise ModelError(
                f"the ImageNet weights of {self.name} can't be fetched from {weights.url} ({error}): put that "
                "file into hub/checkpoints of the folder that TORCH_HOME names, or start from random weights with "
                "--random-init"
            ) from error
        prefix = f"{CLASSIFIERS[self.name]}."
        self.backbone.load_state_dict({name: value for name, value in state.items() if not name.startswith(prefix)})


class _Repeat(nn.Module):
    """(N, 1, H, W) or (N, 2, H, W) to three channels, the first one repeated."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :1], x[:, :1], x[:, -1:]], 1)
