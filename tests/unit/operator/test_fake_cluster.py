"""The fake cluster keeps the promises of a real one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_operator.values import Ref, Version
from tests.builders import a_resource
from tests.conformance.cluster import ClusterConformance, Document, Put, Status
from tests.fake_cluster import FakeCluster


class TestFakeCluster(ClusterConformance):
    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster(datetime(2026, 11, 20, 10, tzinfo=UTC))

    @pytest.fixture
    def namespace(self) -> str:
        return "team"

    @pytest.fixture
    def owner(self, cluster: FakeCluster) -> Version:
        seen = cluster.resource(cluster.apply(a_resource().document()))
        assert seen is not None
        return Version(seen.uid, seen.version)

    @pytest.fixture
    def put(self, cluster: FakeCluster) -> Put:
        def apply(document: Document) -> None:
            cluster.apply(document)

        return apply

    @pytest.fixture
    def status_of_owner(self, cluster: FakeCluster) -> Status:
        def status() -> Mapping[str, Any]:
            found: Mapping[str, Any] = cluster.objects[KIND, Ref("team", "digits")]["status"]
            return found

        return status
