"""One control plane for the operator's stories: its policies would stand in the way of others."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e.localcluster.audit import AuditEvent, Tail
from e2e.localcluster.controlplane import ControlPlane
from tests.integration.conftest import serve
from tests.integration.operator.crowd import NAMES, Crowd, Document
from tests.integration.operator.installed import (
    SYSTEM,
    OperatorProcess,
    Team,
    install,
    token_config,
)


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane of their own, with the operator's rights and policies in it."""
    del control_plane  # only for its build, which tells how it goes on
    with ControlPlane() as running:
        serve(running)
        install(running)
        yield running


def new_team(installed: ControlPlane) -> Team:
    """A team in a namespace of its own."""
    name = f"team-{uuid.uuid4().hex[:8]}"
    installed.kubectl("create", "namespace", name)
    metadata = {"name": "default", "namespace": name}
    installed.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    return Team(installed, name)


@pytest.fixture
def team(installed: ControlPlane) -> Team:
    """A new team."""
    return new_team(installed)


Start = Callable[..., OperatorProcess]


@pytest.fixture
def start(installed: ControlPlane, team: Team, tmp_path: Path) -> Iterator[Start]:
    """Starts operators that serve the team's namespace; they end with the test."""
    installed.kubectl("delete", "lease", "lathe-operator", "-n", SYSTEM, "--ignore-not-found")
    kubeconfig = token_config(installed, tmp_path)
    started: list[OperatorProcess] = []

    def begin(config: Path = kubeconfig, **environment: str) -> OperatorProcess:
        process = OperatorProcess(
            config,
            tmp_path / f"operator-{len(started)}.log",
            LATHE_NAMESPACES=team.namespace,
            **environment,
        )
        started.append(process.__enter__())
        return process

    yield begin
    for process in started:
        process.kill()


@pytest.fixture
def operator(start: Start) -> OperatorProcess:
    """One operator, which leads."""
    process = start()
    process.until_leading()
    return process


@pytest.fixture
def crowd(team: Team) -> Iterator[Crowd]:
    """The team's resources, of which there are none yet."""
    found = Crowd(team)
    yield found
    found.api.close()


@dataclass(frozen=True)
class Undisturbed:
    """What a crowd's lives lead to where nothing goes wrong.

    Attributes:
        resources: The resources, which have ended.
        asked: What the operator had asked for when the last of them ended.
        asked_later: What it asked for from then on, for as long as `SILENCE`.
    """

    resources: dict[str, Document]
    end_state: dict[str, Any]
    asked: list[AuditEvent]
    asked_later: list[AuditEvent]


SILENCE = timedelta(seconds=30)


@pytest.fixture(scope="session")
def undisturbed(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A crowd that has lived with an operator that nobody disturbs."""
    folder, team = tmp_path_factory.mktemp("undisturbed"), new_team(installed)
    crowd = Crowd(team)
    installed.kubectl("delete", "lease", "lathe-operator", "-n", SYSTEM, "--ignore-not-found")
    config = token_config(installed, folder)
    settings = {"LATHE_NAMESPACES": team.namespace, "LATHE_LEASE_SECONDS": "60"}
    with OperatorProcess(config, folder / "log", **settings) as operator:
        operator.until_leading()
        for number, name in enumerate(NAMES, start=1):
            crowd.apply(name)
            crowd.until_jobs(number)
            crowd.play(1)
        operator.until(lambda: not crowd.play() and crowd.has_ended(), "every end", 120.0)
        asked = team.asked()

        tail = Tail(installed.audit_log)

        def is_later() -> bool:
            """Whether it has lived on for long enough: it renews its Lease all the time."""
            return any(
                event.resource == "leases" and event.received > asked[-1].received + SILENCE
                for event in tail.fresh()
            )

        operator.until(is_later, "it to have nothing to do for a while", 120.0)
        later = team.asked()[len(asked) :]
    ended = Undisturbed(crowd.resources(), crowd.end_state(), asked, later)
    crowd.api.close()
    return ended
