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
GRAPHS = frozenset({"quantize", "convertPrecision", "simplify"})

ORDERS = (
    Order(STRUCTURE, VALUES, "it changes the layers whose weights that step chose: move it before"),
    Order(frozenset({"sparsify"}), frozenset({"cluster"}), "zeros come before shared values"),
    Order(
        frozenset({"fuse", "quantizeAware"}),
        frozenset({"cluster"}),
        "folding scales the values that channels share: fold before",
    ),
    Order(
        TRAINING | STRUCTURE,
        frozenset({"fuse"}),
        "fold after the last training step",
    ),
    Order(GRAPHS, frozenset({"quantize"}), "remove it or move it before"),
    Order(
        frozenset({"quantize"}),
        frozenset({"convertPrecision"}),
        "8 bits are chosen from 32: leave the one or the other out",
    ),
    Order(
        GRAPHS | {"optimize"},
        frozenset({"optimize"}),
        "it reads ONNX's own operators, and that step fuses them: move it before",
    ),
)


def steps_in_order(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """No step undoes, or stumbles over, what one before it has done."""
    yield from once(f for _, chain in chains(spec) for f in _out_of_order(chain))


def _out_of_order(chain: list[Place]) -> Iterator[Finding]:
    for i, place in enumerate(chain):
        for order in (each for each in ORDERS if place.entry.kind in each.kinds):
            before = [p for p in chain[:i] if p.entry.kind in order.after]
            if before:
                yield Finding(place.spelled, f"comes after {before[0].spelled}: {order.why}")


def folded_last(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """What is folded is not trained, within a step neither."""
    yield from once(f for _, chain in chains(spec) for f in _recovering(chain))


def _recovering(chain: list[Place]) -> Iterator[Finding]:
    for i, place in enumerate(chain):
        step = place.entry.sparsify or place.entry.cluster
        fused = [before for before in chain[:i] if before.entry.kind == "fuse"]
        if fused and step is not None and step.recovery is not None:
            yield Finding(
                f"{place.spelled}.recovery",
                f"comes after {fused[0].spelled}: fold after the last training",
            )


def maps_are_fresh(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """Pruning by sensitivity follows the map of the model that it prunes."""
    yield from once(f for _, chain in chains(spec) for f in _without_map(chain))


def _without_map(chain: list[Place]) -> Iterator[Finding]:
    for before, place in zip([None, *chain], chain, strict=False):
        prune = place.entry.prune
        wants = prune is not None and prune.scope == "Sensitivity"
        if wants and (before is None or before.entry.kind != "sensitivity"):
            yield Finding(
                place.spelled, "scope Sensitivity needs a map: put a sensitivity step right before"
            )


def heads_are_trained(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """A head that was replaced knows nothing before it is trained."""
    yield from once(f for _, chain in chains(spec) for f in _untrained(chain))


def _untrained(chain: list[Place]) -> Iterator[Finding]:
    for i, place in enumerate(chain):
        trained = any(later.entry.step.trains for later in chain[i + 1 :])
        if place.entry.kind == "replaceHead" and not trained:
            yield Finding(place.spelled, "leaves an untrained layer: put distill or finetune after")


def students_come_first(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """A student of another architecture takes nothing from the model that it replaces."""
    yield from once(f for _, chain in chains(spec) for f in _lost(chain))


def _lost(chain: list[Place]) -> Iterator[Finding]:
    for i, place in enumerate(chain):
        distill = place.entry.distill
        lost = [before for before in chain[:i] if before.entry.kind != "sensitivity"]
        if distill is not None and distill.student is not None and lost:
            yield Finding(
                place.spelled,
                f"puts its student in the place of what {lost[-1].spelled} makes: leave out the "
                "one or the other",
            )


def packing_pays(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """Huffman's code is short where few values are frequent."""
    yield from once(f for _, chain in chains(spec) for f in _packed_in_vain(chain))


def _packed_in_vain(chain: list[Place]) -> Iterator[Finding]:
    for i, place in enumerate(chain):
        pays = any(before.entry.kind in {*VALUES, "quantize"} for before in chain[:i])
        if place.entry.pack is not None and place.entry.pack.codec == "Huffman" and not pays:
            yield Finding(
                place.spelled,
                "codec Huffman gains nothing on weights that all differ: put sparsify, cluster or "
                "quantize before, or use codec Zstd",
            )


def rounding_is_used(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """Training with rounding is for a target that rounds."""
    lines = [chain for _, chain in chains(spec)]
    rounded = [p for chain in lines for p in _rounded(chain)]
    trained = [p for chain in lines for p in chain if p.entry.kind == "quantizeAware"]
    for place in dict.fromkeys(p for p in trained if p not in rounded):
        yield Finding(
            place.spelled,
            "trains for 8 bits, but no target uses it: put quantize with mode Static after",
        )


def _rounded(chain: list[Place]) -> Iterator[Place]:
    for i, place in enumerate(chain):
        later = [each.entry.quantize for each in chain[i + 1 :] if each.entry.quantize]
        if place.entry.kind == "quantizeAware" and any(q.mode == "Static" for q in later):
            yield place


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
