"""Early stop: looking at samples apart from training, and keeping the best weights."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lathe_steps.base import Batch, Dataset
from lathe_steps.errors import Internal
from lathe_steps.evidence import Curve, thinned
from lathe_steps.toolchains.networks import samples
from lathe_steps.toolchains.networks.models import model
from lathe_steps.toolchains.networks.training.objective import Objective
from lathe_steps.toolchains.training import EarlyStop

BATCH = 64


class Watch:
    """Knows after each epoch how good the weights are, which were the best, and when to stop.

    Attributes:
        best: Weights of the lowest loss so far.
    """

    def __init__(
        self, wish: EarlyStop, dataset: Dataset, objective: Objective, learner: nn.Module
    ) -> None:
        """Watch `learner`, all that learns, by the objective on a data set."""
        self._wish = wish
        self._dataset = dataset
        self._objective = objective
        self._learner = learner
        self._losses: list[float] = []
        self._right: list[float] = []
        self.best: dict[str, torch.Tensor] = {}

    @property
    def begun(self) -> bool:
        """Whether it has looked at all."""
        return bool(self._losses)

    @property
    def over(self) -> bool:
        """Whether the last looks have all brought nothing new."""
        return len(self._losses) - 1 - self._best >= self._wish.patience

    def look(self) -> str:
        """Measure the weights as they are, and keep them when they are the best; says how it is.

        Raises:
            BadInput: When the samples do not fit the model.
            Internal: When the loss is no number.
        """
        self._learner.eval()
        with torch.no_grad():
            loss, right = self._measured()
        self._learner.train()
        before = self._best
        self._losses.append(loss)
        if right is not None:
            self._right.append(right)
        if self._best != before or not self.best:
            self.best = {name: t.cpu().clone() for name, t in self._learner.state_dict().items()}
        return f"loss {loss:.3f} on {self._dataset.name}"

    def keep_best(self) -> None:
        """Go back to the best weights."""
        model.fill(self._learner, self.best)

    @property
    def facts(self) -> dict[str, float | int | str]:
        """Lowest loss on the samples apart, and after how many epochs it was."""
        return {"validation_loss": self._losses[self._best], "best_epoch": self._best}

    @property
    def curves(self) -> tuple[Curve, ...]:
        """What was seen after each epoch; 0 is before the first."""
        seen = {"loss": self._losses, "Top1": self._right}
        return tuple(
            Curve(f"{title} on {self._dataset.name}", "epoch", thinned(list(enumerate(values))))
            for title, values in seen.items()
            if values
        )

    @property
    def counts(self) -> dict[str, Any]:
        """What it remembers besides the weights, as JSON takes it."""
        return {"losses": self._losses, "right": self._right}

    def restore(self, counts: Mapping[str, Any], best: Mapping[str, torch.Tensor]) -> None:
        """Go on from what was remembered."""
        self._losses, self._right, self.best = counts["losses"], counts["right"], dict(best)

    @property
    def _best(self) -> int:
        """Which look was the last one that brought something new."""
        best = 0
        for look, loss in enumerate(self._losses):
            if loss < self._losses[best] - self._wish.min_delta:
                best = look
        return best

    def _measured(self) -> tuple[float, float | None]:
        total = right = counted = seen = 0.0
        for batch in self._dataset.batches(BATCH, limit=self._wish.samples):
            value, scores = self._objective.of(batch, self._dataset.name)
            count = len(scores)
            total += value.item() * count
            seen += count
            if (found := _right(batch, scores)) is not None:
                right += found[0]
                counted += found[1]
        loss = total / max(seen, 1)
        if not math.isfinite(loss):
            raise Internal(f"the loss on {self._dataset.name} became {loss}; lower learningRate")
        return loss, right / counted if counted else None


def _right(batch: Batch, scores: torch.Tensor) -> tuple[int, int] | None:
    """How many labels the scores meet, of how many; None where labels are no classes."""
    if batch.labels is None or samples.are_numbers(batch, scores):
        return None
    try:
        classes = samples.classes_of(batch, scores)
    except samples.UnfitLabels:  # integers that are met as numbers
        return None
    counted = classes >= 0
    return int((scores.argmax(-1) == classes)[counted].sum()), int(counted.sum())
