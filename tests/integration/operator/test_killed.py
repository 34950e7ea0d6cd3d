"""The operator dies again and again, at any moment: each resource ends as if nothing had been."""

from pathlib import Path
from random import Random
from threading import Timer

import pytest

from e2e.localcluster.audit import Tail
from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import wait_until
from tests.integration.operator.conftest import Undisturbed
from tests.integration.operator.crowd import NAMES, Crowd, counted, differences, granted
from tests.integration.operator.installed import SYSTEM, USER, OperatorProcess, Team, token_config

pytestmark = [pytest.mark.apiserver, pytest.mark.disturbed]

KILLS = 50
MOMENT = 0.02
"""Seconds within which a process dies after the write that was waited for."""
SEED = 20261127


class Line:
    """Operators in a line: one leads, the next one stands by, and takes over when it dies."""

    def __init__(self, control_plane: ControlPlane, team: Team, folder: Path) -> None:
        self._plane, self._team, self._folder = control_plane, team, folder
        self._config = token_config(control_plane, folder)
        self._tail = Tail(control_plane.audit_log)
        self._next = self._another()

    def _another(self) -> OperatorProcess:
        # So long a Lease that nobody loses it on a busy machine: it is taken away from the dead.
        settings = {"LATHE_NAMESPACES": self._team.namespace, "LATHE_LEASE_SECONDS": "60"}
        return OperatorProcess(self._config, self._folder / "log", **settings).begin()

    def lead(self) -> OperatorProcess:
        """Let the next one lead, and another stand by."""
        leader, self._next = self._next, self._another()
        lease = ("lease", "lathe-operator", "-n", SYSTEM, "--ignore-not-found")
        self._plane.kubectl("delete", *lease)
        return leader

    def end(self) -> None:
        """End whoever stands by."""
        self._next.kill()

    def until_written(self, count: int) -> None:
        """Wait for so many further writes."""
        seen = 0

        def are_there() -> bool:
            nonlocal seen
            fresh = (e for e in self._tail.fresh() if e.namespace == self._team.namespace)
            seen += sum(1 for event in granted(fresh) if event.user == USER)
            return seen >= count

        wait_until(are_there, f"{count} writes", seconds=60.0, every=0.002)


def test_killed_fifty_times_it_leads_twenty_resources_to_the_same_end(
    undisturbed: Undisturbed, installed: ControlPlane, crowd: Crowd, tmp_path: Path
) -> None:
    line = Line(installed, crowd.team, tmp_path)
    random = Random(SEED)  # noqa: S311 - a seed, so that it can be repeated
    crowd.apply(*NAMES)

    for _ in range(KILLS):
        leader = line.lead()
        owed = len(NAMES) - len(crowd.jobs()) + 2 * crowd.play(random.randint(0, 2))
        line.until_written(random.randint(0, min(owed, 3)))
        death = Timer(random.uniform(0, MOMENT), leader.kill)
        death.start()
        death.join()
    last = line.lead()
    last.until_leading()
    last.until(lambda: not crowd.play() and crowd.has_ended(), "every end", 120.0)
    asked = crowd.team.asked()
    last.kill()
    line.end()

    assert differences(crowd.end_state(), undisturbed.end_state) == {}
    for name, written in counted(asked).items():
        calm = counted(undisturbed.asked)[name]
        assert written["create/jobs"] == 1, name
        # Which Events there are is compared above; of one that was posted by a process that died
        # before its answer, the log does not say that it was granted.
        assert written["create/events"] <= calm["create/events"], name
        assert written.total() <= calm.total() + 1, name  # Pending, while its pod is awaited
