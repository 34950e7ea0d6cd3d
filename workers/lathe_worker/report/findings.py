"""What a step found out, in words: its facts as phrases, and what a reader should not overlook."""

from collections.abc import Iterator, Mapping

from lathe_worker.manifest import ManifestStep
from lathe_worker.report import words

COUNTED = {
    "folded": "batch normalisations folded",
    "updates": "updates",
    "samples": "samples",
    "integer_nodes": "nodes in integers",
    "floating_nodes": "nodes in floating point",
    "nodes_16bit": "nodes in 16 bits",
    "nodes_32bit": "nodes in 32 bits",
}
"""Facts that are a number of something: "450 updates"."""
NAMED = {
    "params": "parameters",
    "macs": "MACs",
    "nodes": "nodes",
    "largest_difference": "largest difference",
    "tensorrt_version": "built by",
    "compute_capability": "for SM",
}
"""Facts that are said otherwise than they are spelled."""
SHARES = frozenset({"sparsity", "energy", "agreement", "top1"})
"""Facts that are a share of 1; those whose name ends in _share are, too."""
NOTES = frozenset({"runtime_effect"})
"""Facts that are sentences which a reader should not overlook."""
_EARLIER = ("_before", "_first")
_LATER = {"_before": "", "_first": "_last"}
_SENTENCE = 60
"""From so many characters on, words have a line of their own."""

Fact = float | int | str


def phrases(step: ManifestStep) -> list[str]:
    """The step's facts, such as: parameters 382 k → 190 k; what changed comes first."""
    facts = step.facts
    pairs = [(name, later) for name in facts if (later := _later(name)) in facts]
    used = {each for pair in pairs for each in pair}
    said = [_change(facts, earlier, later) for earlier, later in pairs]
    rest = (name for name in facts if name not in used and not _is_note(name, facts[name]))
    return [*said, *(_single(name, facts[name]) for name in rest)]


def notes(step: ManifestStep) -> Iterator[str]:
    """Sentences about the step, such as that its zeros do not make the model faster."""
    for name, fact in step.facts.items():
        if _is_note(name, fact):
            yield str(fact) if name in NOTES else f"{_named(name)}: {fact}"


def _is_note(name: str, fact: Fact) -> bool:
    return isinstance(fact, str) and (name in NOTES or len(fact) > _SENTENCE)


def _later(name: str) -> str:
    """What a fact from before is to be compared with."""
    end = next((each for each in _EARLIER if name.endswith(each)), None)
    return name.removesuffix(end) + _LATER[end] if end else ""


def _change(facts: Mapping[str, Fact], earlier: str, later: str) -> str:
    name = next(earlier.removesuffix(end) for end in _EARLIER if earlier.endswith(end))
    return f"{_named(name)} {_said(name, facts[earlier])} → {_said(name, facts[later])}"


def _single(name: str, fact: Fact) -> str:
    if name in COUNTED:
        return f"{_said(name, fact)} {COUNTED[name]}"
    return f"{_named(name)} {_said(name, fact)}"


def _named(name: str) -> str:
    plain = name
    for end in ("_bytes", "_seconds", "_milliseconds", "_share"):
        plain = plain.removesuffix(end)
    return NAMED.get(name, plain.replace("_", " "))


def _said(name: str, fact: Fact) -> str:
    if isinstance(fact, str):
        return fact
    if name in SHARES or name.endswith("_share"):
        return words.percent(fact)
    spelled = {
        "bytes": words.size,
        "seconds": words.seconds,
        "milliseconds": words.milliseconds,
    }
    return words.minus(spelled.get(name.rpartition("_")[2], words.number)(fact))
