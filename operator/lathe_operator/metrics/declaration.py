"""How a metric is declared: once, with what its labels mean; code, docs and tests read the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
WORK_SECONDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Steps take seconds, training takes a night."""
BYTES = tuple(1024.0 * 4**power for power in range(14))
"""From a kilobyte to 64 GiB."""
RATIOS = (0.5, 0.9, 1.1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64)
"""How many times smaller or faster; below 1, larger or slower."""

Labels = Mapping[str, str]
"""Names of labels, each with what it says."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One metric, as its page tells of it.

    Attributes:
        name: As queries spell it; a counter's ends in _total.
        type: What kind of metric it is.
        help: What it says.
        labels: See `Labels`; none holds a name that users give, but namespaces.
    """

    name: str
    type: str
    help: str
    labels: Labels = field(default_factory=dict)

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


class Declarations:
    """The metrics of a program: each is made where it is declared."""

    def __init__(self) -> None:
        """Begin with none."""
        self.all: list[Declaration] = []

    def counter(self, name: str, says: str, labels: Labels | None = None) -> Counter:
        """A count that only grows while the process lives."""
        return Counter(name, says, self._names(name, "counter", says, labels))

    def gauge(self, name: str, says: str, labels: Labels | None = None) -> Gauge:
        """A value that rises and falls."""
        return Gauge(name, says, self._names(name, "gauge", says, labels))

    def histogram(
        self, name: str, says: str, buckets: Sequence[float], labels: Labels | None = None
    ) -> Histogram:
        """A distribution."""
        names = self._names(name, "histogram", says, labels)
        return Histogram(name, says, names, buckets=buckets)

    def collected(self, name: str, says: str, labels: Labels) -> Declaration:
        """A gauge whose values are asked for when somebody reads it."""
        self._names(name, "gauge", says, labels)
        return self.all[-1]

    def _names(self, name: str, kind: str, says: str, labels: Labels | None) -> list[str]:
        self.all.append(Declaration(name, kind, says, labels or {}))
        return list(labels or {})
