"""What is kept of an object, and what is not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lathe_operator.seen import (
    job_seen,
    pod_seen,
    queued_for,
    resource_seen,
    unpacked,
    workload_seen,
)
from lathe_operator.values import MANAGED, Hindrance, Ref, Version
from tests import kubelet, kueue
from tests.builders import a_resource
from tests.conformance.cluster import job as a_job
from tests.fake_cluster import FakeCluster
from tests.world import BEGIN

Document = dict[str, Any]


def resource(**metadata: Any) -> Document:
    cluster = FakeCluster(BEGIN)
    ref = cluster.apply(a_resource().document())
    found = cluster.objects["ModelOptimization", ref]
    found["metadata"].update(metadata)
    return found


def job(**status: Any) -> Document:
    made = FakeCluster(BEGIN).put("Job", a_job("team", Version("owner", 1)))
    return {**made, "status": status}


def pod(status: Document) -> Document:
    owner = job()
    cluster = FakeCluster(BEGIN)
    return {
        **cluster.put("Pod", kubelet.pod_of({**owner, **_template(owner)}, "p")),
        "status": status,
    }


def _template(owner: Document) -> Document:
    return {"spec": {"template": {"metadata": {}, **owner["spec"]["template"]}}}


def test_a_resource_is_packed_and_what_others_wrote_on_it_is_left_out() -> None:
    document = resource(
        managedFields=[{"manager": "kubectl" * 100}],
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "x" * 1000},
        resourceVersion="42",
    )
    document["status"] = {"phase": "Running", "progress": {"percent": 42}}

    seen = resource_seen(document)
    body, status = unpacked(seen.document), unpacked(seen.status)

    assert (seen.ref, seen.version, seen.phase) == (Ref("team", "digits"), 42, "Running")
    assert body["spec"] == document["spec"]
    assert status == {"phase": "Running"}
    assert len(seen.document) + len(seen.status) < len(json.dumps(document)) / 3


def test_what_has_not_changed_is_the_same_value() -> None:
    document = resource()

    assert resource_seen(document) == resource_seen(json.loads(json.dumps(document)))


@pytest.mark.parametrize(
    ("version", "text"), [(42, "42"), (0, "opaque"), (0, "")], ids=["digits", "words", "nothing"]
)
def test_a_version_is_a_number_or_nothing(version: int, text: str) -> None:
    assert resource_seen(resource(resourceVersion=text)).version == version


def test_an_end_counts_for_the_generation_that_it_speaks_of() -> None:
    document = resource()
    document["status"] = {"phase": "Succeeded", "observedGeneration": 1}
    edited = {**document, "metadata": {**document["metadata"], "generation": 2}}

    assert resource_seen(document).finished
    assert not resource_seen(edited).finished


def test_a_job_of_somebody_else_is_not_kept() -> None:
    theirs = job()
    theirs["metadata"]["ownerReferences"][0]["kind"] = "Workflow"

    assert job_seen(theirs) is None
    assert job_seen({**theirs, "metadata": {**theirs["metadata"], "ownerReferences": []}}) is None


def test_a_jobs_end_is_what_its_conditions_say() -> None:
    complete, failed, open_ = (
        job_seen(job(**status))
        for status in (kubelet.complete(), kubelet.failed("DeadlineExceeded"), {"active": 1})
    )

    assert complete is not None
    assert complete.end is not None
    assert complete.end.succeeded
    assert failed is not None
    assert failed.end is not None
    assert (failed.end.succeeded, failed.end.reason, failed.failing) == (
        False,
        "DeadlineExceeded",
        True,
    )
    assert open_ is not None
    assert open_.end is None


def test_a_condition_that_does_not_hold_is_none() -> None:
    seen = job_seen(job(conditions=[{"type": "Complete", "status": "False"}]))

    assert seen is not None
    assert seen.end is None


def test_a_pod_of_somebody_else_is_not_kept() -> None:
    theirs = pod(kubelet.running())
    theirs["metadata"]["ownerReferences"][0]["kind"] = "ReplicaSet"

    assert pod_seen(theirs) is None


def test_a_pods_last_words_are_kept_as_they_are() -> None:
    seen = pod_seen(pod(kubelet.ended(10, "words", finished=kubelet.T0)))

    assert seen is not None
    assert seen.end is not None
    assert (seen.end.exit_code, seen.end.reason, seen.end.message) == (10, "Error", "words")


def test_a_sidecars_end_is_not_the_workers() -> None:
    status = kubelet.ended(0, "words")
    status["containerStatuses"][0]["name"] = "istio-proxy"

    seen = pod_seen(pod(status))

    assert seen is not None
    assert seen.end is not None
    assert (seen.end.exit_code, seen.end.message) == (None, "")


def test_an_evicted_pod_that_never_ran_has_the_kubelets_words() -> None:
    seen = pod_seen(pod({"phase": "Failed", "reason": "Evicted", "message": "The node was low"}))

    assert seen is not None
    assert seen.end is not None
    assert (seen.end.exit_code, seen.end.reason, seen.end.message) == (
        None,
        "Evicted",
        "The node was low",
    )
    assert seen.end.time == BEGIN


def test_what_hinders_a_pod_is_kept_and_what_passes_is_not() -> None:
    hindered, starting = (
        pod_seen(pod(kubelet.waiting(reason, "why")))
        for reason in ("ErrImagePull", "PodInitializing")
    )

    assert hindered is not None
    assert hindered.hindrance == Hindrance("ErrImagePull", "why")
    assert starting is not None
    assert starting.hindrance is None


def workload(**labels: str) -> Document:
    owner = job()
    template = {**owner["spec"]["template"], "metadata": {"labels": labels}}
    return kueue.workload({**owner, "spec": {"template": template}}, kueue.admitted())


def test_a_workload_is_known_by_its_pods_labels() -> None:
    document = workload(**{MANAGED: "true", "lathe.dev/resource": "digits"})
    document["metadata"]["uid"] = "w"

    seen = workload_seen(document)

    assert queued_for(document) == Ref("team", "digits")
    assert seen is not None
    assert (seen.job, seen.active, seen.evicted) == (job()["metadata"]["uid"], True, None)
    assert seen.admitted is not None


def test_a_workload_of_somebody_elses_job_is_nothing_to_us() -> None:
    document = workload(app="theirs")
    document["metadata"]["uid"] = "w"

    assert (queued_for(document), workload_seen(document)) == (None, None)


def test_a_workload_of_pods_without_a_job_is_nothing_to_us() -> None:
    document = workload(**{MANAGED: "true", "lathe.dev/resource": "digits"})
    document["metadata"].update(uid="w", ownerReferences=[])

    assert workload_seen(document) is None


MANAGERS: dict[str, tuple[Document, bool]] = {
    "nobody in particular": ({}, False),
    "the Job controller": ({"managedBy": "kubernetes.io/job-controller"}, False),
    "MultiKueue": ({"managedBy": "kueue.x-k8s.io/multikueue"}, True),
}


@pytest.mark.parametrize(("spec", "elsewhere"), MANAGERS.values(), ids=MANAGERS)
def test_who_works_on_a_job_is_seen(spec: Document, *, elsewhere: bool) -> None:
    document = job(startTime="2026-11-20T10:00:00Z", ready=1)

    seen = job_seen({**document, "spec": {**document["spec"], **spec}})

    assert seen is not None
    # What nobody decides by is no news.
    assert (seen.elsewhere, seen.ready) == (elsewhere, elsewhere)
    assert seen.started == datetime(2026, 11, 20, 10, tzinfo=UTC)
