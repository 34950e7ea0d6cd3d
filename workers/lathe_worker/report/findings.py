"""What a step found out, in words: its facts as phrases, and what a reader should not overlook."""

import re
from collections.abc import Iterator, Mapping

from lathe_worker.manifest import ManifestStep
from lathe_worker.report import metrics, words

COUNTED = {
    "folded": "batch normalisations folded",
    "updates": "updates",
    "samples": "samples",
    "passes": "passes",
    "evaluations": "evaluations",
    "codebooks": "codebooks",
    "equalised_pairs": "pairs of layers equalised",
    "integer_nodes": "nodes in integers",
    "floating_nodes": "nodes in floating point",
    "nodes_16bit": "nodes in 16 bits",
    "nodes_32bit": "nodes in 32 bits",
    "nonzero": "weights that are not zero",
}
"""Facts that are a number of something: "450 updates"."""
NAMED = {
    "bytes": "size",
    "params": "parameters",
    "macs": "MACs",
    "tensorrt_version": "built by",
    "compute_capability": "for SM",
}
"""Facts that are said otherwise than they are spelled."""
SHARES = frozenset({"sparsity", "zeros", "quality", "quality_before", "largest_drop"})
"""Facts that are a share of 1; those whose name ends in _share are, too."""
RUNTIME_EFFECT = "runtime_effect"
"""A sentence of a step that makes weights easier to pack, but not to compute."""
GOAL = "accuracy_goal"
"""Whether a search met its goal, with a sentence where it did not."""
UNITS = {
    "bytes": words.size,
    "seconds": words.seconds,
    "milliseconds": words.milliseconds,
    "ms": words.milliseconds,
    "share": words.percent,
}
"""How facts are spelled whose name ends so."""
_SINGULAR = re.compile(r"(?<=[^s])s\b|(?<=ss)es\b")
"""The end of a plural."""
_NONE = "none: "
_PAIRS = {"_before": ("_after", ""), "_first": ("_last",)}
_SENTENCE = 60
"""From so many characters on, words have a line of their own."""

Fact = float | int | str


def phrases(step: ManifestStep) -> list[str]:
    """The step's facts, such as: parameters 382 k → 190 k; what changed comes first."""
    facts = {name: fact for name, fact in step.facts.items() if not _apart(name, fact)}
    pairs = dict(_pairs(facts))
    used = {*pairs, *pairs.values()}
    said = [_change(facts, earlier, later) for earlier, later in pairs.items()]
    return [
        *_judged(step.facts),
        *said,
        *(_single(name, fact) for name, fact in facts.items() if name not in used),
    ]


def remarks(step: ManifestStep) -> list[str]:
    """What a reader should not overlook, such as that zeros do not make the model faster."""
    effect, goal = str(step.facts.get(RUNTIME_EFFECT, "")), str(step.facts.get(GOAL, ""))
    found = []
    if effect:
        without = effect.removeprefix(_NONE)
        found.append(f"not faster by itself: {without}" if without != effect else effect)
    if goal.startswith("missed"):
        found.append(f"the accuracy that was asked for was {goal}")
    return found


def notes(step: ManifestStep) -> list[str]:
    """Words that are too long to stand among figures, such as the layers that were left out."""
    known = step.facts.items()
    return [f"{_named(name)}: {fact}" for name, fact in known if _is_long(name, fact)]


def _apart(name: str, fact: Fact) -> bool:
    return name == RUNTIME_EFFECT or name.startswith("accuracy_") or _is_long(name, fact)


def _is_long(name: str, fact: Fact) -> bool:
    return isinstance(fact, str) and len(fact) > _SENTENCE and name not in {RUNTIME_EFFECT, GOAL}


def _judged(facts: Mapping[str, Fact]) -> Iterator[str]:
    """What a search for the best quality says of itself, in one phrase."""
    metric, names = str(facts.get("accuracy_metric", "")), ("accuracy_before", "accuracy_after")
    values = [each for name in names if isinstance(each := facts.get(name), int | float)]
    if metric and len(values) == len(names):
        before, after = (metrics.value_of(metric, each) for each in values)
        samples = facts.get("accuracy_samples")
        on = f" on {words.count(samples)} samples" if isinstance(samples, int | float) else ""
        yield f"{metrics.title_of(metric)} {before} → {after}{on}"


def _pairs(facts: Mapping[str, Fact]) -> Iterator[tuple[str, str]]:
    """Facts from before, each with the one that it is to be compared with."""
    for name in facts:
        for end, ends in _PAIRS.items():
            stem = name.removesuffix(end)
            later = next((stem + each for each in ends if stem + each in facts), None)
            if stem != name and later:
                yield name, later


def _change(facts: Mapping[str, Fact], earlier: str, later: str) -> str:
    name = later.removesuffix("_after").removesuffix("_last")
    return f"{_named(name)} {_said(name, facts[earlier])} → {_said(name, facts[later])}"


def _single(name: str, fact: Fact) -> str:
    if name in COUNTED:
        noun = COUNTED[name]
        return f"{_said(name, fact)} {_SINGULAR.sub('', noun, count=1) if fact == 1 else noun}"
    return f"{_named(name)} {_said(name, fact)}"


def _named(name: str) -> str:
    if name in NAMED:
        return NAMED[name]
    stem, _, unit = name.rpartition("_")
    plain = stem if stem and unit in UNITS else name.removeprefix("bytes_of_")
    return " ".join(NAMED.get(word, word) for word in plain.split("_"))


def _said(name: str, fact: Fact) -> str:
    if isinstance(fact, str):
        return fact
    spell = UNITS.get(name.rpartition("_")[2], words.number)
    if name in SHARES:
        spell = words.percent
    if name.startswith("bytes_of_"):
        spell = words.size
    return words.minus(spell(fact))
