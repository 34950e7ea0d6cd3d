"""In which order steps may stand."""

from collections.abc import Iterator
from dataclasses import dataclass

from lathe_api.chains import Finding, Place, chains, once
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_steps.base import Format


@dataclass(frozen=True, slots=True)
class Order:
    """Kinds of steps that may not come after others.

    Attributes:
        kinds: As users spell them.
        after: What they may not come after.
        why: What is wrong with it, and what to do.
    """

    kinds: frozenset[str]
    after: frozenset[str]
    why: str


STRUCTURE = frozenset({"prune", "factorize", "replaceHead"})
VALUES = frozenset({"sparsify", "cluster"})
TRAINING = frozenset({"distill", "finetune"})

ORDERS = (
    Order(STRUCTURE, VALUES, "it changes the layers whose weights that step chose: move it before"),
    Order(frozenset({"sparsify"}), frozenset({"cluster"}), "zeros come before shared values"),
    Order(
        frozenset({"fuse"}),
        frozenset({"cluster"}),
        "folding scales the values that channels share: fold before",
    ),
    Order(
        TRAINING | STRUCTURE - {"factorize"},
        frozenset({"fuse"}),
        "fold after the last training step",
    ),
    Order(
        frozenset({"quantize", "convertPrecision", "simplify"}),
        frozenset({"quantize"}),
        "remove it or move it before",
    ),
)


def steps_in_order(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """No step undoes, or stumbles over, what one before it has done."""
    yield from once(f for _, chain in chains(spec) for f in _out_of_order(chain))


def _out_of_order(chain: list[Place]) -> Iterator[Finding]:
    for i, place in enumerate(chain):
        for order in ORDERS:
            before = [p for p in chain[:i] if p.entry.kind in order.after]
            if place.entry.kind in order.kinds and before:
                yield Finding(place.spelled, f"comes after {before[0].spelled}: {order.why}")


def last_in_torch(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """What training has learned about 8 bits is for the export that follows, and nothing else."""
    yield from once(f for _, chain in chains(spec) for f in _after_quantize_aware(chain))


def _after_quantize_aware(chain: list[Place]) -> Iterator[Finding]:
    aware: Place | None = None
    for place in chain:
        if aware and place.entry.step.reads is Format.TORCH and place.entry.kind != "export":
            yield Finding(
                place.spelled,
                f"comes after {aware.spelled}, which is the last step before the export: move it "
                "before",
            )
        if place.entry.kind == "quantizeAware":
            aware = place
