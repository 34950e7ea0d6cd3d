"""The networks of the tasks, in plain torch: names by which any tool can build them again."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import nn
from torchvision.models import mobilenet_v2, resnet18


class ResidualCNN(nn.Module):
    """A residual network for small images: a stem, and a block for each further width.

    Where the width grows, the image is halved. It takes float32 (batch, 1, height, width) and
    gives (batch, classes).
    """

    def __init__(self, classes: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = _normalised(1, widths[0], 3)
        self.blocks = nn.Sequential(
            *(
                _Block(before, after, stride=1 if before == after else 2)
                for before, after in pairwise(widths)
            )
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores per class."""
        x = self.blocks(torch.relu(self.stem(x)))
        scores: torch.Tensor = self.head(torch.flatten(self.pool(x), 1))
        return scores


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = _normalised(before, after, 3, stride=stride)
        self.second = _normalised(after, after, 3)
        same = (before, 1) == (after, stride)
        self.shortcut = nn.Identity() if same else _normalised(before, after, 1, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change = self.second(torch.relu(self.first(x)))
        return torch.relu(change + self.shortcut(x))


def _normalised(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
    )


class Encoder(nn.Module):
    """A transformer's encoder that names the class of a sequence.

    It takes int64 (batch, length) of tokens and gives float32 (batch, classes). The attention is
    spelled out, as exporters like it.
    """

    def __init__(self, classes: int, vocabulary: int, length: int = 128, size: int = 384) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, size)
        self.places = nn.Parameter(torch.randn(length, size) * 0.02)
        self.layers = nn.Sequential(*(_Layer(size, heads=6) for _ in range(4)))
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores per class."""
        x = self.layers(self.tokens(x) + self.places)
        scores: torch.Tensor = self.head(self.norm(x).mean(dim=1))
        return scores


class _Layer(nn.Module):
    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(size)
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.mixed = nn.Linear(size, size)
        self.before_wide = nn.LayerNorm(size)
        self.wide = nn.Linear(size, 4 * size)
        self.narrow = nn.Linear(4 * size, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.before_attention(x)
        query, key, value = (self._split(part(seen)) for part in (self.query, self.key, self.value))
        weights = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(query.shape[3]), dim=3)
        x = x + self.mixed((weights @ value).transpose(1, 2).flatten(2))
        changed: torch.Tensor = x + self.narrow(torch.relu(self.wide(self.before_wide(x))))
        return changed

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, size = x.shape
        return x.reshape(batch, length, self.heads, size // self.heads).transpose(1, 2)


def mlp(classes: int = 10, hidden: tuple[int, ...] = (300, 100), features: int = 64) -> nn.Module:
    """LeNet-300-100 on 64 features: Flatten, then Linear layers with ReLU between them."""
    sizes = (features, *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def residual_cnn(classes: int = 62, widths: tuple[int, ...] = (32, 64, 64, 96)) -> ResidualCNN:
    """The CNN of the glyphs: three blocks, 0.28 M parameters."""
    return ResidualCNN(classes, tuple(widths))


def resnet18_28(classes: int = 10) -> nn.Module:
    """ResNet-18 of torchvision for 28x28 grey images: a 3x3 stem of stride 2 and no max pooling."""
    network: nn.Module = resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def resnet18_224(classes: int = 1000) -> nn.Module:
    """ResNet-18 of torchvision as it is."""
    network: nn.Module = resnet18(num_classes=classes)
    return network


def mobilenet_v2_224(classes: int = 1000) -> nn.Module:
    """MobileNet v2 of torchvision as it is."""
    network: nn.Module = mobilenet_v2(num_classes=classes)
    return network


def encoder(classes: int = 32, vocabulary: int = 256, size: int = 384) -> Encoder:
    """Four layers, 384 wide, 128 tokens long: 7.3 M parameters."""
    return Encoder(classes, vocabulary, size=size)


BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "residual_cnn": residual_cnn,
    "resnet18_28": resnet18_28,
    "resnet18_224": resnet18_224,
    "mobilenet_v2_224": mobilenet_v2_224,
    "encoder": encoder,
}
"""What `architecture` in a task.json may name."""
