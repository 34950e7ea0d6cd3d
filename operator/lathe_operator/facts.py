"""What happened, for metrics: frozen values that decisions tell, and nothing decides by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A run whose first pod has started.

    Attributes:
        waited: Seconds since its Job was there to be run; None where that is not known.
    """

    waited: float | None


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt that failed, and is followed by another."""

    reason: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step that a run took, or took up.

    Attributes:
        kind: Its kind, as users spell it; empty for one that nobody asked for.
        seconds: How long it took.
        hit: Whether it was there already.
    """

    kind: str
    seconds: float
    hit: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended, and what it made.

    Attributes:
        result: Its phase.
        reason: Why it ended.
        seconds: From its first pod's start; None where it never started.
        hit: Whether the whole result was there already; None where nobody knows.
        gates: Why a gate failed; None where none did.
        steps: Its steps, as far as they are told of.
        artifact_bytes: Size of each published file; none of a result that was there already.
        size_ratios: Input size over result size, per target.
        speedups: Input latency over result latency, per target.
    """

    result: str
    reason: str
    seconds: float | None
    hit: bool | None = None
    gates: str | None = None
    steps: tuple[StepDone, ...] = ()
    artifact_bytes: tuple[int, ...] = ()
    size_ratios: tuple[float, ...] = ()
    speedups: tuple[float, ...] = ()


Fact = Started | AttemptFailed | Ended
"""What happened, for metrics."""
