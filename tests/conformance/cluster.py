"""What every cluster promises: one suite, for the fake in unit and the real one in integration.

A subclass gives the fixtures `cluster`, `namespace`, `put`, `owner` (the Version of a
ModelOptimization named digits in that namespace), and `status_of_owner`, which reads what its
status is now.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lathe_api.v1alpha1.resource import API_VERSION, KIND
from lathe_operator.cluster import Cluster
from lathe_operator.errors import Failure, Gone, Rejected, Waiting
from lathe_operator.lease import Lease
from lathe_operator.values import MANAGED, Ref, Version
from tests.builders import FUSE, a_profile

Document = dict[str, Any]
Status = Callable[[], Mapping[str, Any]]

NOBODY = "00000000-0000-0000-0000-000000000000"


def job(namespace: str, owner: Version, name: str = "digits-1") -> Document:
    """A Job that the resource controls."""
    reference = {"apiVersion": API_VERSION, "kind": KIND, "name": "digits", "uid": owner.uid}
    container = {"name": "worker", "image": "none.invalid/none"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED: "true"},
            "ownerReferences": [{**reference, "controller": True}],
        },
        "spec": {
            "suspend": False,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def event(namespace: str, owner: Version) -> Document:
    """An Event about the resource."""
    about = {"apiVersion": API_VERSION, "kind": KIND, "namespace": namespace, "name": "digits"}
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "digits.1", "namespace": namespace},
        "eventTime": "2026-11-20T10:00:00.000000Z",
        "type": "Normal",
        "reason": "Started",
        "note": "it started",
        "action": "Reconcile",
        "regarding": {**about, "uid": owner.uid},
        "reportingController": "lathe.dev/lathe-operator",
        "reportingInstance": "lathe-operator",
    }


def lease(holder: str = "me") -> Lease:
    now = datetime.now(UTC)
    return Lease(holder, 15, now, now)


Put = Callable[[Document], None]
"""Applies a document as kubectl would."""


def profiles(namespace: str) -> tuple[Document, Document]:
    """A profile of a namespace, and one of the cluster."""
    own = a_profile(f"own-{namespace}", steps=[FUSE])
    own["metadata"]["namespace"] = namespace
    return own, a_profile(f"shared-{namespace}", kind="ClusterOptimizationProfile", steps=[FUSE])


class ClusterConformance:
    """The promises of `lathe_operator.cluster.Cluster`."""

    async def test_a_job_is_created_once_however_often_it_is_asked_for(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        made = await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)
        again = await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)

        assert made == again
        assert await cluster.has_job(Ref(namespace, "digits-1"))
        assert {made.uid, owner.uid} == await cluster.uids(namespace)
        assert {made.uid, owner.uid} <= await cluster.uids(None)

    async def test_profiles_are_listed_those_of_the_cluster_apart(
        self, cluster: Cluster, namespace: str, put: Put
    ) -> None:
        before, shared_before = await cluster.uids(namespace), await cluster.shared_uids()
        own, shared = profiles(namespace)
        put(own)
        put(shared)

        assert len(await cluster.uids(namespace) - before) == 1
        assert len(await cluster.shared_uids() - shared_before) == 1

    async def test_a_name_that_somebody_elses_job_has_is_a_conflict(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)

        with pytest.raises(Rejected) as rejected:
            await cluster.create_job(namespace, job(namespace, owner), owner=NOBODY)

        assert rejected.value.conflict

    async def test_a_job_is_patched_and_its_version_grows(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        made = await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)

        held = await cluster.patch_job(Ref(namespace, "digits-1"), made.uid, {"suspend": True})

        assert held.uid == made.uid
        assert (held.version or 0) > (made.version or 0)

    async def test_a_namesake_of_a_job_is_not_patched(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)

        with pytest.raises(Failure):
            await cluster.patch_job(Ref(namespace, "digits-1"), NOBODY, {"suspend": True})

    async def test_a_job_that_is_not_there_cannot_be_patched(
        self, cluster: Cluster, namespace: str
    ) -> None:
        with pytest.raises(Gone):
            await cluster.patch_job(Ref(namespace, "digits-1"), NOBODY, {"suspend": True})

    async def test_a_job_is_deleted_and_deleting_it_again_is_as_good(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        made = await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)

        for _ in range(2):
            await cluster.delete_job(Ref(namespace, "digits-1"), made.uid)

        assert not await cluster.has_job(Ref(namespace, "digits-1"))

    async def test_a_namesake_of_a_job_is_not_deleted(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        await cluster.create_job(namespace, job(namespace, owner), owner=owner.uid)

        await cluster.delete_job(Ref(namespace, "digits-1"), NOBODY)

        assert await cluster.has_job(Ref(namespace, "digits-1"))

    async def test_trying_a_pod_creates_none(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        template = job(namespace, owner)["spec"]["template"]["spec"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": template}

        for _ in range(2):
            await cluster.try_pod(namespace, pod)

    async def test_status_is_merged_and_null_takes_a_field_away(
        self, cluster: Cluster, namespace: str, owner: Version, status_of_owner: Status
    ) -> None:
        ref = Ref(namespace, "digits")
        first = {"phase": "Running", "run": {"job": "digits-1", "key": None}, "summary": None}

        told = await cluster.patch_status(ref, owner, first)
        await cluster.patch_status(ref, told, {"run": {"job": None, "key": "5f"}, "summary": {}})

        assert status_of_owner()["phase"] == "Running"
        assert status_of_owner()["run"].get("job") is None
        assert status_of_owner()["run"]["key"] == "5f"

    async def test_status_is_only_written_over_what_was_seen(
        self, cluster: Cluster, namespace: str, owner: Version, status_of_owner: Status
    ) -> None:
        ref = Ref(namespace, "digits")
        await cluster.patch_status(ref, owner, {"phase": "Running"})

        with pytest.raises(Waiting):
            await cluster.patch_status(ref, owner, {"phase": "Failed"})

        assert status_of_owner()["phase"] == "Running"

    async def test_the_status_of_what_is_gone_cannot_be_written(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        ref = Ref(namespace, "digits")
        await cluster.delete_resource(ref, owner.uid)

        with pytest.raises(Gone):
            await cluster.patch_status(ref, owner, {"phase": "Failed"})

    async def test_a_finalizer_keeps_a_deleted_resource(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        ref = Ref(namespace, "digits")
        await cluster.set_finalizers(ref, owner, ["lathe.dev/clean-up"])

        await cluster.delete_resource(ref, owner.uid)

        assert owner.uid in await cluster.uids(namespace)

    async def test_a_finalizer_that_was_taken_away_keeps_nothing(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        ref = Ref(namespace, "digits")
        kept = await cluster.set_finalizers(ref, owner, ["lathe.dev/clean-up"])
        with pytest.raises(Waiting):
            await cluster.set_finalizers(ref, owner, [])  # over what is not there any more

        await cluster.set_finalizers(ref, kept, [])
        await cluster.delete_resource(ref, owner.uid)

        assert owner.uid not in await cluster.uids(namespace)

    async def test_a_namesake_of_a_resource_is_not_deleted(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        await cluster.delete_resource(Ref(namespace, "digits"), NOBODY)

        await cluster.patch_status(Ref(namespace, "digits"), owner, {"phase": "Running"})

    async def test_an_event_is_posted_once_however_often_it_is_told(
        self, cluster: Cluster, namespace: str, owner: Version
    ) -> None:
        for _ in range(2):
            await cluster.post_event(namespace, event(namespace, owner))

    async def test_of_many_who_want_a_lease_one_gets_it(
        self, cluster: Cluster, namespace: str
    ) -> None:
        ref = Ref(namespace, "leader")
        assert await cluster.get_lease(ref) is None

        won = await asyncio.gather(*(cluster.put_lease(ref, lease(str(i))) for i in range(4)))

        (winner,) = [each for each in won if each]
        assert await cluster.get_lease(ref) == winner

    async def test_a_lease_is_only_renewed_over_what_was_read(
        self, cluster: Cluster, namespace: str
    ) -> None:
        ref = Ref(namespace, "leader")
        first = await cluster.put_lease(ref, lease())
        assert first is not None

        second = await cluster.put_lease(ref, replace(first, holder="other", transitions=1))

        assert second is not None
        assert (second.holder, second.transitions) == ("other", 1)
        assert await cluster.put_lease(ref, replace(first, holder="me again")) is None
