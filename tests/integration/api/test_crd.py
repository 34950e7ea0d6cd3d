"""The generated CustomResourceDefinition before a real kube-apiserver."""

from pathlib import Path

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane, KubectlError
from tests.builders import DISTILL, PRUNE, QUANTIZE, Document, ResourceBuilder, a_resource, target
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


def test_the_server_finds_the_schema_structural(server: ControlPlane) -> None:
    document = yaml.safe_load(
        server.kubectl("get", "crd", "modeloptimizations.lathe.dev", "-o", "yaml")
    )

    conditions = {c["type"]: c["status"] for c in document["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_kubectl_explains_a_step_in_the_words_of_its_docstring(server: ControlPlane) -> None:
    explained = " ".join(server.kubectl("explain", "mo.spec.steps.prune").split())

    assert "Remove the least important channels" in explained
    assert "granularity <string> enum: Channel, Block, Head" in explained


def test_defaults_are_filled_in_outside_of_lists_only(server: ControlPlane, namespace: str) -> None:
    made = create(server, namespace, FULL.document(), "--dry-run=server")["spec"]

    assert (made["run"]["backoffLimit"], made["worker"]["workspace"]["size"]) == (3, "20Gi")
    assert FULL.spec["steps"] == made["steps"]
    assert FULL.spec["targets"] == made["targets"]


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
}


@pytest.mark.parametrize(("before", "after"), TRANSITIONS.values(), ids=TRANSITIONS)
def test_what_may_not_change_does_not_change(
    server: ControlPlane, namespace: str, before: Document, after: Document
) -> None:
    create(server, namespace, a_resource().with_(**before).document())
    changed = yaml.safe_dump(a_resource().with_(**after).document())

    with pytest.raises(KubectlError, match="cannot"):
        server.kubectl("apply", "-n", namespace, "-f", "-", stdin=changed)


def test_the_columns_of_kubectl_get_tell_the_story(server: ControlPlane, namespace: str) -> None:
    create(server, namespace, FULL.document())

    header = server.kubectl("get", "mo", "-n", namespace).splitlines()[0].split()

    assert header == ["NAME", "PHASE", "STEP", "PROGRESS", "SIZE", "SPEEDUP", "QUALITY", "AGE"]
