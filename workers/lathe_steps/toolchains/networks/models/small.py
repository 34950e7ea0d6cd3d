"""Lathe's own architectures: small enough for a laptop, ordinary enough to be a fair example."""

import torch
from torch import nn

from lathe_steps.toolchains.networks.models.attention import Attention


class SmallCNN(nn.Module):
    """A residual convolutional network for small images: three stages, four residual blocks.

    It takes float32 (batch, in_channels, height, width) and gives (batch, num_classes). Before
    the classifier, the image is averaged to `pool` by `pool` pixels and flattened.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, width: int = 32, pool: int = 1
    ) -> None:
        super().__init__()
        self.stem = _convolution(in_channels, width)
        self.stages = nn.Sequential(
            _Residual(width, width),
            _Residual(width, 2 * width, stride=2),
            _Residual(2 * width, 2 * width),
            _Residual(2 * width, 4 * width, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d(pool)
        self.classifier = nn.Linear(4 * width * pool**2, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores per class."""
        x = self.stages(self.stem(x))
        scores: torch.Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return scores


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(inputs, outputs, stride=stride),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if (inputs, stride) != (outputs, 1):
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = self.relu(self.body(x) + self.shortcut(x))
        return summed


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class MLP(nn.Sequential):
    """Fully connected layers with ReLU between them.

    It takes float32 (batch, …) whose other axes hold `features` numbers, and gives
    (batch, num_classes).
    """

    def __init__(
        self, features: int = 64, hidden: tuple[int, ...] = (300, 100), num_classes: int = 10
    ) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for size in hidden:
            layers += [nn.Linear(features, size), nn.ReLU()]
            features = size
        super().__init__(*layers, nn.Linear(features, num_classes))


class SmallEncoder(nn.Module):
    """A transformer encoder for sequences of tokens, with normalisation before each part.

    It takes int64 (batch, sequence) of token numbers below `vocabulary`, at most `length` of
    them in a row, and gives scores: float32 (batch, num_classes), or (batch, sequence,
    num_classes) with `per_token`. Attention is written in matrix products, so that 8-bit steps
    find them and heads can be taken out.
    """

    def __init__(  # noqa: PLR0913 - the sizes of a transformer
        self,
        vocabulary: int = 1000,
        dim: int = 384,
        layers: int = 4,
        heads: int = 6,
        length: int = 128,
        num_classes: int = 10,
        *,
        per_token: bool = False,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim {dim} is no multiple of heads {heads}")
        self.per_token = per_token
        self.tokens = nn.Embedding(vocabulary, dim)
        self.positions = nn.Parameter(torch.empty(length, dim))
        self.layers = nn.Sequential(*(_EncoderLayer(dim, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, num_classes)
        for weight in (self.tokens.weight, self.positions):
            nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores per class, of each sequence or of each token."""
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]
        x = self.norm(self.layers(x))
        scores: torch.Tensor = self.classifier(x if self.per_token else x.mean(dim=1))
        return scores


class _EncoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dim // heads)
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.gelu = nn.GELU()
        self.narrow = nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x))
        summed: torch.Tensor = x + self.narrow(self.gelu(self.widen(self.norm(x))))
        return summed
