"""What a step said, without what is no number: a training that diverged still has its report."""

import math
from dataclasses import replace

from lathe_steps.evidence import Candidates, Curve, Evidence, Sensitivity
from lathe_worker.manifest import ManifestStep


def finite(step: ManifestStep) -> ManifestStep:
    """The same step; JSON knows neither NaN nor infinity.

    Facts that are no number are said in words; points, layers and candidates are left out.
    """
    facts = {name: fact if _is(fact) else str(fact) for name, fact in step.facts.items()}
    metrics = {name: figure for name, figure in step.metrics.items() if math.isfinite(figure)}
    kept = (drawable(each) for each in step.evidence)
    evidence = tuple(each for each in kept if each is not None)
    return step.model_copy(update={"facts": facts, "metrics": metrics, "evidence": evidence})


def drawable(evidence: Evidence) -> Evidence | None:
    """The same without what cannot be drawn; None when nothing is left."""
    if isinstance(evidence, Curve):
        points = tuple(point for point in evidence.points if all(map(math.isfinite, point)))
        return replace(evidence, points=points) if points else None
    if isinstance(evidence, Sensitivity):
        layers = tuple(layer for layer in evidence.layers if math.isfinite(layer.drop))
        return replace(evidence, layers=layers) if layers else None
    return _candidates(evidence)


def _candidates(evidence: Candidates) -> Candidates | None:
    if not 0 <= evidence.chosen < len(evidence.considered):
        return None
    chosen = evidence.considered[evidence.chosen]
    kept = tuple(
        replace(each, latency=each.latency if _is(each.latency) else None)
        for each in evidence.considered
        if math.isfinite(each.quality)
    )
    if not math.isfinite(chosen.quality):
        return None
    index = sum(math.isfinite(each.quality) for each in evidence.considered[: evidence.chosen])
    return replace(evidence, considered=kept, chosen=index)


def _is(fact: float | str | None) -> bool:
    return not isinstance(fact, float) or math.isfinite(fact)
