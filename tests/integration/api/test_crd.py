"""The generated CustomResourceDefinition before a real kube-apiserver."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from e2e.localcluster.controlplane import ControlPlane, KubectlError
from lathe_api.v1alpha1.kinds import PROFILES, SERVED, Kind
from lathe_api.v1alpha1.profile import OptimizationProfileSpec
from tests.builders import (
    DISTILL,
    PRUNE,
    QUANTIZE,
    Document,
    ResourceBuilder,
    a_profile,
    a_resource,
    target,
)
from tests.refused import ONLY_PYDANTIC, REFUSED
from tests.sound import SOUND

pytestmark = pytest.mark.apiserver

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))
FULL = (
    a_resource()
    .steps({"name": "halve", **PRUNE}, DISTILL)
    .targets(target("cpu", "ONNXRuntime", QUANTIZE), target("rtx", "TensorRTRTX", tensorrt={}))
)


def create(server: ControlPlane, namespace: str, document: Document, *flags: str) -> Document:
    """Create a resource, and give what the server made of it."""
    text = yaml.safe_dump(document)
    out = server.kubectl("create", "-n", namespace, "-f", "-", "-o", "yaml", *flags, stdin=text)
    made: Document = yaml.safe_load(out)
    return made


@pytest.mark.parametrize("kind", SERVED, ids=lambda kind: kind.name)
def test_the_server_finds_the_schema_structural(server: ControlPlane, kind: Kind) -> None:
    document = yaml.safe_load(
        server.kubectl("get", "crd", f"{kind.plural}.lathe.dev", "-o", "yaml")
    )

    conditions = {c["type"]: c["status"] for c in document["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_kubectl_explains_a_step_in_the_words_of_its_docstring(server: ControlPlane) -> None:
    explained = " ".join(server.kubectl("explain", "mo.spec.steps.prune").split())

    assert "Remove the least important channels" in explained
    assert "granularity <string> enum: Channel, Block, Head" in explained


def test_the_server_writes_nothing_into_a_spec_where_a_profile_may_give_it(
    server: ControlPlane, namespace: str
) -> None:
    resource = FULL.with_(run={"suspend": True}, evaluation={"dataset": "val"}, worker={})
    made = create(server, namespace, resource.document(), "--dry-run=server")["spec"]

    assert made == resource.spec


@pytest.mark.parametrize("kind", PROFILES, ids=lambda kind: kind.name)
def test_profiles_are_served_explained_and_listed(
    server: ControlPlane, namespace: str, kind: Kind
) -> None:
    old = {"message": "it is slow", "replacedBy": "newer"}
    profile = a_profile(f"old-{namespace}", kind=kind.name, steps=[PRUNE], deprecated=old)
    create(server, namespace, profile)
    explained = server.kubectl("explain", f"{kind.short_names[0]}.spec.deprecated.replacedBy")
    table = server.kubectl("get", kind.short_names[0], f"old-{namespace}", "-n", namespace)
    server.kubectl("delete", kind.short_names[0], f"old-{namespace}", "-n", namespace)

    assert "profile of the same kind" in " ".join(explained.split())
    assert table.splitlines()[0].split() == ["NAME", "DESCRIPTION", "DEPRECATED", "AGE"]
    assert "it is slow" in table


WRONG_PROFILES = {
    "a misspelt field": {"stepz": []},
    "a step that does not exist": {"steps": [{"prnue": {}}]},
    "what only a resource can say": {"output": {"uri": "s3://artifacts/all/"}},
    "holding every run back": {"run": {"suspend": True}},
    "a deprecation without a word": {"deprecated": {}},
    "two targets of a name": {"targets": [target("cpu"), target("cpu")]},
}


@pytest.mark.parametrize("spec", WRONG_PROFILES.values(), ids=WRONG_PROFILES)
def test_what_is_wrong_in_a_profile_the_server_and_pydantic_refuse(
    server: ControlPlane, namespace: str, spec: Document
) -> None:
    with pytest.raises(ValidationError):
        OptimizationProfileSpec.model_validate(spec)
    with pytest.raises(KubectlError):
        create(server, namespace, a_profile(**spec), "--dry-run=server")


@pytest.mark.parametrize(
    "resource",
    [each for name, each in REFUSED.items() if name not in ONLY_PYDANTIC],
    ids=[name for name in REFUSED if name not in ONLY_PYDANTIC],
)
def test_what_pydantic_refuses_the_server_refuses(
    server: ControlPlane, namespace: str, resource: ResourceBuilder
) -> None:
    with pytest.raises(KubectlError):
        create(server, namespace, resource.document(), "--dry-run=server")


@pytest.mark.parametrize("resource", SOUND.values(), ids=SOUND)
def test_what_can_work_the_server_takes(
    server: ControlPlane, namespace: str, resource: ResourceBuilder
) -> None:
    made = create(server, namespace, resource.document(), "--dry-run=server")

    assert made["spec"].get("steps") == resource.spec.get("steps")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_server_takes_every_example(
    server: ControlPlane, namespace: str, example: Path
) -> None:
    server.kubectl("create", "-n", namespace, "-f", str(example), "--dry-run=server")


TRANSITIONS = {
    "the output's uri": ({}, {"output": {"uri": "s3://artifacts/elsewhere/"}}),
    "a cancel taken back": ({"run": {"cancel": True}}, {"run": {"cancel": False}}),
    "a cancel left out": ({"run": {"cancel": True}}, {"run": {}}),
    "a cancel left out with its section": ({"run": {"cancel": True}}, {}),
}


@pytest.mark.parametrize(("before", "after"), TRANSITIONS.values(), ids=TRANSITIONS)
def test_what_may_not_change_does_not_change(
    server: ControlPlane, namespace: str, before: Document, after: Document
) -> None:
    create(server, namespace, a_resource().with_(**before).document())
    changed = yaml.safe_dump(a_resource().with_(**after).document())

    with pytest.raises(KubectlError, match="cannot"):
        server.kubectl("replace", "-n", namespace, "-f", "-", stdin=changed)


def test_the_columns_of_kubectl_get_tell_the_story(server: ControlPlane, namespace: str) -> None:
    create(server, namespace, FULL.document())

    header = server.kubectl("get", "mo", "-n", namespace).splitlines()[0].split()

    assert header == ["NAME", "PHASE", "STEP", "PROGRESS", "SIZE", "SPEEDUP", "QUALITY", "AGE"]
