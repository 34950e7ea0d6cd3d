"""One control plane for the operator's stories: its policies would stand in the way of others."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.localcluster.controlplane import ControlPlane
from tests.integration.conftest import serve
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

    def begin(**environment: str) -> OperatorProcess:
        process = OperatorProcess(
            kubeconfig,
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
