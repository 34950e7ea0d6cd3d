"""Training with gradients: the loop that all training steps share."""

import math
import time
from collections.abc import Mapping

import torch
from torch import nn

from lathe_steps.base import Batch, NoCheckpoints
from lathe_steps.errors import Internal
from lathe_steps.evidence import Curve, thinned
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import model, unused
from lathe_steps.toolchains.networks.models.constraints import Hold
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.training import optimisers, saved
from lathe_steps.toolchains.networks.training.course import Course, Epoch, Trail
from lathe_steps.toolchains.networks.training.losses import Loss
from lathe_steps.toolchains.networks.training.objective import Objective
from lathe_steps.toolchains.networks.training.schedules import rate
from lathe_steps.toolchains.networks.training.watching import Watch

__all__ = ["Course", "Loss", "Trail", "train"]

_READ_EVERY = 32
"""Losses are read from the device in so many at a time: reading one waits for it."""
_SAVING_SHARE = 50
"""Unless it is said how often, saving may take a fiftieth of the time."""


def train(
    network: Network, course: Course, loss: Loss, *, along: nn.Module | None = None
) -> dict[str, float | int | str]:
    """Train a network in place, on the GPU where there is one, and leave it in evaluation mode.

    What its outputs do not depend on is removed before. With `course.trail.checkpoints` that hold
    an earlier attempt's state, it goes on from there and ends with the same weights, to the bit on
    a CPU, as if it had never been stopped.

    Args:
        network: The model.
        course: How to train.
        loss: What to make small.
        along: What learns with the model and is kept in its checkpoints, but is no part of it.

    Returns:
        Facts: how many updates, and the mean loss over the first and the last tenth of them; with
        early stop, the lowest loss on samples apart and after how many epochs it was.

    Raises:
        BadInput: When the data set's samples or labels do not fit the model.
        Internal: StepFailed, when the loss is no number any more.
    """
    sizes = calls.workable_sizes(network.module, network.inputs)
    unused.drop(network.module, calls.random_inputs(network.inputs, sizes))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = nn.ModuleDict({"model": network.module})
    if along is not None:
        learner["along"] = along
    with torch.random.fork_rng():
        torch.manual_seed(course.seed)
        learner.to(device).train()
        try:
            lesson = _Lesson(network, course, loss, learner, device)
            lesson.go_on()
            lesson.learn()
        finally:
            learner.to("cpu").eval()
    return lesson.facts()


class _Lesson:
    """A training under way."""

    def __init__(
        self,
        network: Network,
        course: Course,
        loss: Loss,
        learner: nn.Module,
        device: torch.device,
    ) -> None:
        settings = course.settings
        self._course = course
        self._learner = learner
        self._objective = Objective(network, loss, device, settings.precision == "BF16")
        self._optimizer = optimisers.optimizer_of(learner, settings)
        self._hold = Hold(network.module, network.constraints)
        self._watch: Watch | None = None
        if settings.early_stop is not None:
            if course.validation is None:
                raise ValueError("a course with earlyStop needs a validation data set")
            self._watch = Watch(settings.early_stop, course.validation, self._objective, learner)
        self._total = course.updates
        self._done = 0
        self._losses: list[float] = []
        self._unread: list[torch.Tensor] = []
        self._saving = _Saving(settings.checkpoint_every)

    def learn(self) -> None:
        """Do what is left of the course."""
        if self._watch and not self._watch.begun:
            self._watch.look()
        before = 0
        for epoch in self._course.epochs():
            skip = self._done - before
            before += epoch.batches
            if skip >= epoch.batches:
                continue
            if self._watch and self._watch.over:
                break
            self._pass(epoch, skip)
            self._end_pass(epoch)
        self._read()
        if self._watch:
            self._watch.keep_best()

    def _pass(self, epoch: Epoch, skip: int) -> None:
        for number, batch in enumerate(self._course.batches(epoch, skip), start=skip + 1):
            self._optimizer.zero_grad(set_to_none=True)
            value = self._backward(batch)
            self._hold.gradients()
            optimisers.clip(self._learner, self._course.settings)
            rated = rate(self._course.settings, self._done, self._total)
            optimisers.update(self._optimizer, rated)
            self._hold.weights()
            self._done += 1
            self._note(value)
            if number < epoch.batches and self._saving.asked_after(self._done):
                self._save()

    def _backward(self, batch: Batch) -> torch.Tensor:
        """Add up the gradient of a batch; gives its loss."""
        losses = []
        for share, part in self._course.parts(batch):
            value, _ = self._objective.of(part, self._course.dataset.name)
            weighed = value if share == 1 else value * share
            torch.autograd.backward(weighed)
            losses.append(weighed.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _end_pass(self, epoch: Epoch) -> None:
        seen = ""
        if self._watch:
            seen = self._watch.look()
            if self._watch.over and self._done < self._total:
                self._course.progress(1.0, f"stopped after epoch {epoch.number + 1}: {seen}")
        last = self._done == self._total
        if not last and (self._saving.asked_after(self._done) or self._saving.cheap()):
            self._save()

    def _note(self, loss: torch.Tensor) -> None:
        self._unread.append(loss)
        done, total = self._done, self._total
        told = (done - 1) * 100 // total != done * 100 // total
        if told or len(self._unread) >= _READ_EVERY:
            self._read()
        if told:
            said = f"batch {done}/{total}, loss {self._losses[-1]:.3f}"
            self._course.progress(done / total, said)

    def _read(self) -> None:
        """Look at the losses of the last updates, all at once."""
        if not self._unread:
            return
        for loss in torch.stack(self._unread).tolist():
            self._losses.append(loss)
            if not math.isfinite(loss):
                settings = self._course.settings
                raise Internal(
                    f"{self._course.step}: the loss became {loss} at batch {len(self._losses)}; "
                    f"lower learningRate ({settings.learning_rate:g})"
                )
        self._unread.clear()

    def _save(self) -> None:
        checkpoints = self._course.trail.checkpoints
        if isinstance(checkpoints, NoCheckpoints):
            return
        self._read()
        self._optimizer.zero_grad(set_to_none=True)  # not needed any more, and large
        groups: dict[str, Mapping[str, torch.Tensor]] = {
            "weights": self._learner.state_dict(),
            "optimizer": optimisers.tensors_of(self._optimizer),
            "losses": {"losses": torch.tensor(self._losses, dtype=torch.float64)},
        }
        counts: dict[str, object] = {"done": self._done}
        if self._watch:
            groups["best"] = self._watch.best
            counts["watch"] = self._watch.counts
        start = time.monotonic()
        saved.save(checkpoints, saved.State(groups, counts))
        self._saving.took(time.monotonic() - start)

    def go_on(self) -> None:
        """Take up what an earlier attempt has saved."""
        state = saved.latest(self._course.trail.checkpoints)
        if state is None:
            return
        self._done = state.counts["done"]
        self._losses = state.groups["losses"]["losses"].tolist()
        model.fill(self._learner, state.groups["weights"])
        optimisers.restore(self._optimizer, state.groups.get("optimizer", {}))
        if self._watch:
            self._watch.restore(state.counts["watch"], state.groups["best"])

    def facts(self) -> dict[str, float | int | str]:
        """What came of it; the curves are told to the trail."""
        numbered = [(float(i + 1), loss) for i, loss in enumerate(self._losses)]
        curves = (Curve("training loss", "batch", thinned(numbered)),)
        for curve in (*curves, *(self._watch.curves if self._watch else ())):
            self._course.trail.tell(curve)
        tenth = max(1, len(self._losses) // 10)
        return {
            "updates": len(self._losses),
            "loss_first": sum(self._losses[:tenth]) / tenth,
            "loss_last": sum(self._losses[-tenth:]) / tenth,
            **(self._watch.facts if self._watch else {}),
        }


class _Saving:
    """When to save: as often as is asked for, or as often as costs little."""

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._cost = 0.0
        self._last = time.monotonic()

    def asked_after(self, done: int) -> bool:
        return self._every is not None and done % self._every == 0

    def cheap(self) -> bool:
        """Whether the time since the last one is long against what saving takes."""
        worked = time.monotonic() - self._last
        return self._every is None and worked >= _SAVING_SHARE * self._cost

    def took(self, seconds: float) -> None:
        self._cost = seconds
        self._last = time.monotonic()
