"""What the chart's tests share: helm, and what it makes of values."""

from collections.abc import Callable
from typing import Any

import pytest

from e2e.helm import Document, Helm, Values
from e2e.localcluster.binaries import CHART_PROGRAMS, binaries
from tests.integration.chart.sets import merged

Render = Callable[..., list[Document]]


@pytest.fixture(scope="session")
def helm(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm without a cluster; its first build takes some minutes on 2 cores."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        binaries(CHART_PROGRAMS)
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """What the chart is with these values, without the definitions of resources, which are long."""

    def rendered(values: Values | None = None, *flags: str, **where: Any) -> list[Document]:
        return helm.template(merged({"crds": {"enabled": False}}, values or {}), *flags, **where)

    return rendered
