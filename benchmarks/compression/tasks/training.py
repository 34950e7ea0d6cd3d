"""How the tasks' fp32 models are trained: one plain loop, the same in every run of a seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast.

    Attributes:
        epochs: Passes over the samples.
        batch: Samples per update.
        rate: Peak learning rate of a one-cycle schedule.
        decay: AdamW's weight decay.
        low: Whether the forward pass is in bfloat16.
        change: What is done to the inputs of a batch, such as moving images.
    """

    epochs: int
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.02
    low: bool = False
    change: Change | None = None


def fit(
    network: nn.Module, samples: tuple[np.ndarray, np.ndarray], recipe: Recipe, seed: int
) -> nn.Module:
    """Train in place with cross entropy, and return the network in evaluation mode."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    x, y = (torch.from_numpy(array) for array in samples)
    batches = -(-len(x) // recipe.batch)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=recipe.epochs * batches
    )
    network.train()
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(x), generator=chance), recipe.batch):
            inputs = recipe.change(x[rows], chance) if recipe.change else x[rows]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.low):
                scores = network(inputs)
            loss = nn.functional.cross_entropy(scores.float(), y[rows])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"    epoch {epoch + 1}/{recipe.epochs}: loss {total / len(x):.4f}", flush=True)
    return network.eval()


def initialised(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with fresh weights that only the seed decides."""
    torch.manual_seed(seed)
    return build()


def moved(images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """The images, all moved by the same step of at most one pixel each way."""
    down, right = torch.randint(0, 3, (2,), generator=chance).tolist()
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, down : down + images.shape[2], right : right + images.shape[3]]
