"""The API server refuses, breaks off, forgets and restarts: it all ends as if nothing had been."""

import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import wait_until
from tests.fault_proxy import Cut, FaultProxy, Refuse, Trouble, fault_proxy
from tests.integration.operator.conftest import Start, Undisturbed
from tests.integration.operator.crowd import NAMES, Crowd, counted, differences
from tests.integration.operator.installed import SYSTEM, OperatorProcess, Team, token_config

pytestmark = [pytest.mark.apiserver, pytest.mark.disturbed]

SEED = 20261127
TROUBLES: tuple[Trouble, ...] = (
    Cut.BEFORE,
    Cut.AFTER,
    Refuse(429, "TooManyRequests", retry_after=1),
    Refuse(500, "InternalError"),
    Refuse(503, "ServiceUnavailable"),
)
CALM = 0.5
"""Share of writes that nothing happens to."""
CONFLICT = Refuse(409, "Conflict")
"""Somebody else wrote the resource, or the quota that the Job counts for, at the same moment."""


class Unreliable:
    """Troubles each write to the team's namespace by lot, at most twice: the operator backs off."""

    def __init__(self) -> None:
        self._random = Random(SEED)  # noqa: S311 - a seed, so that it can be repeated
        self._troubled: Counter[tuple[str, str]] = Counter()

    def __call__(self, method: str, path: str) -> Trouble | None:
        kind, asked = path.rpartition("/")[2], (method, path)
        if method == "GET" or kind == "leases" or "/leases/" in path:
            return None
        # Jobs and Events are all created at one path each, so that they share their troubles.
        most = 2 if method == "PATCH" else 2 * len(NAMES)
        if self._troubled[asked] >= most or self._random.random() < CALM:
            return None
        self._troubled[asked] += 1
        return self._random.choice(TROUBLES if kind == "events" else (*TROUBLES, CONFLICT))


@contextmanager
def proxied(
    control_plane: ControlPlane, team: Team, folder: Path
) -> Iterator[tuple[FaultProxy, OperatorProcess]]:
    """An operator that reaches the API server through a proxy."""
    config = token_config(control_plane, folder)
    context = ssl.create_default_context(cafile=str(control_plane.certificate_authority))
    settings = {"LATHE_NAMESPACES": team.namespace, "LATHE_LEASE_SECONDS": "60"}
    with fault_proxy(control_plane.server, context) as proxy:
        document = yaml.safe_load(config.read_text())
        document["clusters"][0]["cluster"] = {"server": proxy.endpoint}
        config.write_text(yaml.safe_dump(document))
        control_plane.kubectl("delete", "lease", "--all", "-n", SYSTEM)
        with OperatorProcess(config, folder / "log", **settings) as operator:
            operator.until_leading()
            yield proxy, operator


def as_undisturbed(crowd: Crowd, undisturbed: Undisturbed) -> None:
    """Everything has ended as ever, and no Job or Event was made twice."""
    assert differences(crowd.end_state(), undisturbed.end_state) == {}
    calm = counted(undisturbed.asked)
    for name, written in counted(crowd.team.asked()).items():
        assert written["create/jobs"] == 1, name
        assert written["create/events"] == calm[name]["create/events"], name
        assert written.total() <= calm[name].total() + 1, name  # Pending, while a pod is awaited


def test_whatever_is_refused_or_lost_is_written_once(
    undisturbed: Undisturbed, installed: ControlPlane, crowd: Crowd, tmp_path: Path
) -> None:
    with proxied(installed, crowd.team, tmp_path) as (proxy, operator):
        proxy.choose = Unreliable()
        crowd.apply(*NAMES)
        operator.until(lambda: not crowd.play(3) and crowd.has_ended(), "every end", 180.0)
        met = {trouble for trouble, _, _ in proxy.met}

    assert met == {*TROUBLES, CONFLICT}
    as_undisturbed(crowd, undisturbed)


def test_watches_that_are_cut_again_and_again_miss_nothing(
    undisturbed: Undisturbed, installed: ControlPlane, crowd: Crowd, tmp_path: Path
) -> None:
    cut = 0
    with proxied(installed, crowd.team, tmp_path) as (proxy, operator):
        crowd.apply(*NAMES)

        def ended() -> bool:
            nonlocal cut
            cut += proxy.cut_watches()
            return not crowd.play(2) and crowd.has_ended()

        operator.until(ended, "every end", 180.0)

    assert cut > len(NAMES)
    as_undisturbed(crowd, undisturbed)


def test_an_api_server_that_restarts_twice_changes_nothing(
    undisturbed: Undisturbed, crowd: Crowd, start: Start
) -> None:
    operator = start(LATHE_LEASE_SECONDS="60")
    operator.until_leading()

    crowd.apply(*NAMES)
    crowd.team.control_plane.restart_apiserver()
    crowd.api.close()
    wait_until(lambda: len(crowd.jobs()) == len(NAMES), "every Job", seconds=90.0)
    crowd.play(len(NAMES))
    crowd.team.control_plane.restart_apiserver()
    crowd.api.close()
    operator.until(lambda: not crowd.play() and crowd.has_ended(), "every end", 120.0)

    as_undisturbed(crowd, undisturbed)
