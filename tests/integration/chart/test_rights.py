"""What the chart gives: rights that are used, pods that are restricted, and names of one's own."""

from collections.abc import Iterator

import pytest

from e2e.helm import SYSTEM, Document
from tests.integration.chart.conftest import Render
from tests.integration.chart.sets import EVERYTHING, NAMESPACE, SETS, UNPRIVILEGED, merged

IN_A_NAMESPACE = {
    *("ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget"),
    *("PodMonitor", "PrometheusRule", "Role", "RoleBinding", "ServiceAccount"),
}
RIGHTS = ("Role", "ClusterRole")


def of(documents: list[Document], *kinds: str) -> list[Document]:
    return [each for each in documents if each["kind"] in kinds]


def granted(documents: list[Document]) -> Iterator[tuple[str, str, str]]:
    for document in of(documents, *RIGHTS):
        for rule in document["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((group, resource, verb) for verb in rule["verbs"])


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_nobody_gets_a_wildcard_a_secret_or_a_way_to_more(render: Render, values: Document) -> None:
    rights = set(granted(render(values)))

    assert rights
    assert [right for right in rights if "*" in right] == []
    assert {resource for _, resource, _ in rights}.isdisjoint({"secrets", "pods/exec"})
    assert {verb for _, _, verb in rights}.isdisjoint({"bind", "escalate", "impersonate"})


def test_by_roles_the_operator_has_the_rights_that_it_has_by_a_cluster_role(
    render: Render,
) -> None:
    users = {"userRoles": {"enabled": False}, "worker": {"serviceAccount": {"enabled": False}}}
    anywhere = render(users)
    by_roles = render(merged(NAMESPACE, users))

    shared = {("lathe.dev", "clusteroptimizationprofiles", verb) for verb in ("list", "watch")}
    assert set(granted(by_roles)) == set(granted(anywhere)) - shared
    assert of(by_roles, "ClusterRole", "ClusterRoleBinding") == []
    assert sorted(role["metadata"]["namespace"] for role in of(by_roles, "Role")) == [
        *(SYSTEM, "team-a", "team-b"),
    ]


def test_who_has_no_right_in_the_cluster_can_install_everything_else(render: Render) -> None:
    documents = render(UNPRIVILEGED)

    assert {each["kind"] for each in documents} <= IN_A_NAMESPACE
    assert {each["metadata"]["namespace"] for each in documents} == {SYSTEM, "team-a", "team-b"}


def test_an_operator_for_namespaces_that_names_none_serves_its_own(render: Render) -> None:
    documents = render({**UNPRIVILEGED, "namespaces": []}, namespace="team-c")

    assert {each["metadata"]["namespace"] for each in documents} == {"team-c"}


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_everything_in_a_namespace_says_in_which(render: Render, values: Document) -> None:
    silent = [
        each["metadata"]["name"]
        for each in render(values)
        if each["kind"] in IN_A_NAMESPACE and "namespace" not in each["metadata"]
    ]

    assert silent == []


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_every_object_says_whose_it_is(render: Render, values: Document) -> None:
    for document in render(values):
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "lathe"
        assert labels["app.kubernetes.io/instance"] == "lathe"


def test_every_binding_binds_what_is_there(render: Render) -> None:
    for values in SETS.values():
        documents = render(values)
        there = {
            (d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents
        }
        for binding in of(documents, "RoleBinding", "ClusterRoleBinding"):
            namespace = binding["metadata"].get("namespace")
            role = binding["roleRef"]
            assert (role["kind"], namespace, role["name"]) in there
            for subject in binding["subjects"]:
                assert (subject["kind"], subject["namespace"], subject["name"]) in there


def test_people_get_their_rights_by_the_roles_that_they_have_already(render: Render) -> None:
    rights = {
        role["metadata"]["name"]: {
            label.removeprefix("rbac.authorization.k8s.io/aggregate-to-")
            for label in role["metadata"]["labels"]
            if "aggregate-to-" in label
        }
        for role in of(render(), "ClusterRole")
    }

    assert rights == {
        "lathe-operator": set(),
        "lathe-view": {"view"},
        "lathe-edit": {"edit", "admin"},
    }


def test_a_second_release_in_the_cluster_shares_no_name_with_the_first(render: Render) -> None:
    def names(documents: list[Document]) -> set[tuple[str, str | None, str]]:
        return {
            (d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents
        }

    first, second = render(), render({**UNPRIVILEGED, "fullnameOverride": "second"})

    assert names(first).isdisjoint(names(second))


def test_one_pod_is_never_kept_from_leaving_and_one_of_two_stays(render: Render) -> None:
    assert of(render(), "PodDisruptionBudget") == []

    (budget,) = of(render({"operator": {"replicas": 2}}), "PodDisruptionBudget")

    assert budget["spec"]["minAvailable"] == 1


def test_a_priority_class_of_ones_own_is_used_and_one_that_is_named_goes_before(
    render: Render,
) -> None:
    def priority(values: Document) -> str:
        (deployment,) = of(render(values), "Deployment")
        name: str = deployment["spec"]["template"]["spec"].get("priorityClassName", "")
        return name

    own = {"priorityClass": {"create": True}}
    named = {"operator": {"priorityClassName": "system-cluster-critical"}}

    assert priority({}) == ""
    assert priority(own) == "lathe-operator"
    assert priority(merged(own, named)) == "system-cluster-critical"


def test_an_image_is_named_by_its_digest_where_there_is_one(render: Render) -> None:
    (deployment,) = of(render(EVERYTHING), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert container["image"] == f"registry.corp/lathe-operator@sha256:{'0' * 64}"


def test_workers_cannot_reach_the_clouds_metadata_and_nobody_reaches_them(render: Render) -> None:
    (policy,) = [
        each
        for each in of(render({"namespaces": ["team-a"]}), "NetworkPolicy")
        if each["metadata"]["namespace"] == "team-a"
    ]

    assert policy["spec"]["podSelector"] == {"matchLabels": {"lathe.dev/managed": "true"}}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    blocks = [to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule.get("to", ())]
    assert "169.254.169.254/32" in blocks[0]["except"]
    assert len(blocks) == 2
