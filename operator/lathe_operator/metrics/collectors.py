"""Metrics whose values are asked for when somebody reads them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lathe_operator.metrics import OLDEST_WAIT, RESOURCES
from lathe_operator.metrics.declaration import Declaration

NO_STATUS = "Pending"
"""How a resource counts that has no status yet."""


class Shown(Protocol):
    """What the watches have shown, in sum."""

    def phases(self) -> Mapping[tuple[str, str], int]:
        """How many resources of a namespace are in a phase."""

    def waits(self) -> Mapping[str, float]:
        """For how long, in seconds, the resource of a phase has waited that waits longest."""


class ShownCollector(Collector):
    """Counts resources when it is asked: between two scrapes, nothing is kept for it."""

    def __init__(self, shown: Shown) -> None:
        """Ask `shown`."""
        self._shown = shown

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One series for each namespace and phase, and for each phase that waits."""
        resources, waits = _family(RESOURCES), _family(OLDEST_WAIT)
        counts: dict[tuple[str, str], int] = {}
        for (namespace, phase), count in self._shown.phases().items():
            place = (namespace, phase or NO_STATUS)
            counts[place] = counts.get(place, 0) + count
        for place, count in sorted(counts.items()):
            resources.add_metric(place, count)
        for phase, seconds in sorted(self._shown.waits().items()):
            waits.add_metric([phase], seconds)
        return (resources, waits)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What is collected, without asking: nothing is watched yet when this is registered."""
        yield _family(RESOURCES)
        yield _family(OLDEST_WAIT)


def _family(declared: Declaration) -> GaugeMetricFamily:
    return GaugeMetricFamily(declared.name, declared.help, labels=list(declared.labels))


def count(shown: Shown) -> None:
    """Have resources counted from now on."""
    REGISTRY.register(ShownCollector(shown))
