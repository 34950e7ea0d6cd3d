"""The real cluster, before a real kube-apiserver, keeps the promises that decisions rely on."""

import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from lathe_api.v1alpha1.resource import GROUP, PLURAL, VERSION
from lathe_operator import kueue
from lathe_operator.cluster import KubernetesCluster
from lathe_operator.discovery import watchable
from lathe_operator.errors import Faulted, Rejected, Waiting
from lathe_operator.values import Ref, Version, version_of
from tests.builders import a_resource
from tests.conformance.cluster import ClusterConformance, Document, Put, Status, job
from tests.fault_proxy import Refuse, fault_proxy

pytestmark = pytest.mark.apiserver


class TestKubernetesCluster(ClusterConformance):
    @pytest.fixture
    def namespace(self, server: ControlPlane, namespace: str) -> str:
        # No controller makes it here, and without it the server takes no pod.
        server.kubectl("create", "serviceaccount", "default", "-n", namespace)
        return namespace

    @pytest.fixture
    async def cluster(self, server: ControlPlane) -> AsyncIterator[KubernetesCluster]:
        async with KubernetesCluster.connected(server.kubeconfig) as connected:
            yield connected

    @pytest.fixture
    def owner(self, server: ControlPlane, namespace: str) -> Version:
        document = yaml.safe_dump(a_resource().document())
        arguments = ("create", "-n", namespace, "-f", "-", "-o", "json")
        made = json.loads(server.kubectl(*arguments, stdin=document))
        return Version(made["metadata"]["uid"], version_of(made))

    @pytest.fixture
    def put(self, server: ControlPlane) -> Iterator[Put]:
        made: list[Document] = []

        def apply(document: Document) -> None:
            server.apply(document)
            made.append(document)

        yield apply
        for document in made:
            server.kubectl("delete", "-f", "-", stdin=yaml.safe_dump(document))

    @pytest.fixture
    def status_of_owner(self, server: ControlPlane, namespace: str) -> Status:
        def status() -> Mapping[str, Any]:
            told = server.kubectl("get", "mo", "digits", "-n", namespace, "-o", "json")
            found: Mapping[str, Any] = json.loads(told)["status"]
            return found

        return status

    async def test_it_knows_whether_the_resource_is_served(
        self, cluster: KubernetesCluster
    ) -> None:
        assert await cluster.serves_the_resource()

    async def test_a_misspelt_field_of_a_job_is_refused_in_the_servers_words(
        self, cluster: KubernetesCluster, namespace: str, owner: Version
    ) -> None:
        wrong = job(namespace, owner)
        wrong["spec"]["template"]["spec"]["afinity"] = {}

        with pytest.raises(Rejected, match="afinity") as rejected:
            await cluster.create_job(namespace, wrong, owner=owner.uid)

        assert not rejected.value.conflict

    async def test_a_pod_that_policy_forbids_is_refused_in_the_servers_words(
        self, server: ControlPlane, cluster: KubernetesCluster, namespace: str, owner: Version
    ) -> None:
        label = "pod-security.kubernetes.io/enforce=restricted"
        server.kubectl("label", "namespace", namespace, label)
        template = job(namespace, owner)["spec"]["template"]["spec"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": template}

        with pytest.raises(Rejected, match="PodSecurity"):
            await cluster.try_pod(namespace, pod)

    async def test_nothing_but_leases_is_written_by_who_does_not_lead(
        self, cluster: KubernetesCluster, namespace: str, owner: Version
    ) -> None:
        deposed = cluster.guarded(lambda: False)

        with pytest.raises(Faulted):
            await deposed.create_job(namespace, job(namespace, owner), owner=owner.uid)

        assert not await cluster.has_job(Ref(namespace, "digits-1"))

    async def test_what_can_be_watched_is_told_with_its_version(
        self, cluster: KubernetesCluster, namespace: str
    ) -> None:
        assert await watchable(cluster.read, GROUP, PLURAL, [None, namespace]) == VERSION

    async def test_what_is_not_served_cannot_be_watched(self, cluster: KubernetesCluster) -> None:
        assert await watchable(cluster.read, kueue.GROUP, kueue.PLURAL, [None]) is None
        assert await watchable(cluster.read, GROUP, "workloads", [None]) is None

    async def test_what_one_has_no_right_to_cannot_be_watched(self, server: ControlPlane) -> None:
        async with KubernetesCluster.connected(server.kubeconfig_for("alice")) as nobody:
            assert await watchable(nobody.read, GROUP, PLURAL, [None]) is None

    async def test_a_server_that_is_not_there_is_a_fault(
        self, server: ControlPlane, namespace: str, tmp_path: Any
    ) -> None:
        config = yaml.safe_load(server.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
        (tmp_path / "config").write_text(yaml.safe_dump(config))

        async with KubernetesCluster.connected(tmp_path / "config") as nowhere:
            with pytest.raises(Faulted):
                await nowhere.has_job(Ref(namespace, "digits-1"))
            with pytest.raises(Faulted):
                await watchable(nowhere.read, kueue.GROUP, kueue.PLURAL, [None])

    async def test_a_conflict_about_something_else_than_the_name_passes(
        self, server: ControlPlane, namespace: str, owner: Version, tmp_path: Any
    ) -> None:
        context = ssl.create_default_context(cafile=str(server.certificate_authority))
        config = yaml.safe_load(server.kubeconfig.read_text())
        with fault_proxy(server.server, context) as proxy:
            config["clusters"][0]["cluster"] = {"server": proxy.endpoint}
            (tmp_path / "config").write_text(yaml.safe_dump(config))
            async with KubernetesCluster.connected(tmp_path / "config") as proxied:
                # What a quota answers when another object is counted at the same moment.
                proxy.choose = lambda method, _: Refuse(409) if method == "POST" else None
                with pytest.raises(Waiting):
                    await proxied.create_job(namespace, job(namespace, owner), owner=owner.uid)
                proxy.choose = lambda _, __: None
                await proxied.create_job(namespace, job(namespace, owner), owner=owner.uid)
