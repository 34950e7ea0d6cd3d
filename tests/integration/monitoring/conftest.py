"""Prometheus' own tool."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.localcluster.binaries import binaries

Promtool = Callable[..., str]
"""Runs promtool with the given arguments; fails with what it says, gives what it prints."""


@pytest.fixture(scope="session")
def promtool(pytestconfig: pytest.Config) -> Promtool:
    """Promtool, built once for a version: some minutes on 2 cores."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        program = binaries(["promtool"])["promtool"]

    def run(*arguments: str | Path, given: str = "") -> str:
        done = subprocess.run(
            [program, *arguments], input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run
