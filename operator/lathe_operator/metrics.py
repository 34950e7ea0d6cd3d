"""Every metric of the operator, declared once."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

RUNS = Counter(
    "lathe_runs", "Runs that ended, by phase and by the reason of their end.", ["result", "reason"]
)
RUN_SECONDS = Histogram(
    "lathe_run_duration_seconds",
    "Time from the start of a run's first pod to its end.",
    ["result"],
    buckets=(10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400),
)
LOOK_SECONDS = Histogram(
    "lathe_reconcile_seconds",
    "Time of one look: observe, decide, act.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
LOOK_ERRORS = Counter("lathe_reconcile_errors", "Looks that failed and are repeated.")
QUEUE_DEPTH = Gauge("lathe_queue_depth", "Resources that wait for a look now.")
WATCH_AGE = Gauge(
    "lathe_watch_last_event_age_seconds",
    "Time since the watch of that kind last brought an object.",
    ["kind"],
)
LEADER = Gauge("lathe_leader", "1 where this process leads, 0 where it stands by.")


class PhaseCollector(Collector):
    """Counts resources by phase when it is asked, from what the watches have shown."""

    def __init__(self, phases: Callable[[], Mapping[str, int]]) -> None:
        """Ask `phases` for how many resources are in each phase."""
        self._phases = phases

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One gauge per phase; a resource that has no status yet counts as Pending."""
        family = GaugeMetricFamily("lathe_resources", "Resources by phase.", labels=["phase"])
        for phase, count in sorted(self._phases().items()):
            family.add_metric([phase or "Pending"], count)
        yield family

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What is collected, without asking: nothing is watched yet when this is registered."""
        yield GaugeMetricFamily("lathe_resources", "Resources by phase.", labels=["phase"])


def count_phases(phases: Callable[[], Mapping[str, int]]) -> None:
    """Have resources counted by phase from now on."""
    REGISTRY.register(PhaseCollector(phases))
