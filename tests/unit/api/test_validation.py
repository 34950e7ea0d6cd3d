"""What users are told about a resource that cannot be run, and where it says the fault is."""

from typing import Any

import pytest

from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.validation import Invalid, parse
from tests.builders import (
    EXPORT,
    PRUNE,
    QUANTIZE,
    TORCH_MODEL,
    ResourceBuilder,
    a_resource,
    target,
)
from tests.refused import REFUSED


def invalid(resource: ResourceBuilder) -> Invalid:
    found = parse(resource.document())
    assert isinstance(found, Invalid)
    return found


def test_a_sound_document_is_the_resource() -> None:
    assert isinstance(parse(a_resource().steps(PRUNE).document()), ModelOptimization)


def test_what_the_server_adds_to_a_resource_is_no_fault() -> None:
    document = a_resource().document()
    document["metadata"] |= {"managedFields": [], "annotations": {"a": "b"}}
    document["status"] = {"whatever": "an older version wrote"}

    assert isinstance(parse(document), ModelOptimization)


@pytest.mark.parametrize("resource", REFUSED.values(), ids=REFUSED)
def test_whatever_is_refused_is_said_in_one_line_that_names_a_place(
    resource: ResourceBuilder,
) -> None:
    said = [str(finding) for finding in invalid(resource).findings]

    assert all(line.startswith(("spec", "metadata")) and "\n" not in line for line in said)


def _shape(*axes: Any) -> ResourceBuilder:
    return a_resource().with_(model={**TORCH_MODEL, "inputs": [{"name": "x", "shape": list(axes)}]})


PLACES = {
    "a misspelt field of the resource": (
        "spec.stepz: there is no such field; did you mean steps?",
        a_resource().with_(stepz=[]),
    ),
    "a misspelt parameter, and not what it leaves missing": (
        "spec.steps[0].prune.taget: there is no such field; did you mean target?",
        a_resource().steps({"prune": {"taget": {"params": 0.5}}}),
    ),
    "a word in the wrong case": (
        (
            "spec.steps[0].quantize.mode: is static, but should be Dynamic, Static or WeightOnly; "
            "did you mean Static?"
        ),
        a_resource().steps({"quantize": {"mode": "static"}}),
    ),
    "a missing field": ("spec.output: is missing", a_resource().with_(output=None)),
    "a number out of bounds": (
        "spec.steps[0].prune.target.params: is 2, but should be less than 1",
        a_resource().steps({"prune": {"target": {"params": 2}}}),
    ),
    "one value of two types, told by the type that it has": (
        "spec.model.inputs[0].shape[1]: is 0, but should be greater than or equal to 1",
        _shape("batch", 0),
    ),
    "an item, and not that the list lacks it": (
        "spec.model.inputs[0].shape[0]: should be a number, or a word that names a dynamic axis",
        _shape("a-b"),
    ),
    "a rule between fields": (
        "spec.steps[0].quantize: mode Static needs calibration",
        a_resource().steps({"quantize": {"mode": "Static"}}),
    ),
    "a list instead of a mapping": (
        "spec.output: should be a mapping of fields",
        a_resource().with_(output=[]),
    ),
    "a chain that the schema lets through": (
        (
            "spec.steps[1].quantize: reads ONNX but steps[0].prune gives Torch: "
            "put an export step between them"
        ),
        a_resource().steps(PRUNE, QUANTIZE),
    ),
    "a name that is none": (
        "metadata.name: should be a DNS label that starts with a letter",
        a_resource().named("9lives"),
    ),
}


@pytest.mark.parametrize(("expected", "resource"), PLACES.values(), ids=PLACES)
def test_the_line_names_the_place_and_what_to_do(expected: str, resource: ResourceBuilder) -> None:
    assert expected == str(invalid(resource))


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    resource = a_resource().with_(storage={"s3": {"endpoint": "https://user:hunter2@minio"}})

    assert "hunter2" not in str(invalid(resource))


def test_every_fault_is_found_at_once() -> None:
    resource = a_resource().steps(EXPORT, {"prnue": {}}).targets(target("a", "TensorFlow"))

    paths = {finding.path for finding in invalid(resource).findings}

    assert paths == {"steps[1].prnue", "targets[0].runtime"}


@pytest.mark.parametrize("document", [None, [], "text", 3], ids=repr)
def test_what_is_no_mapping_is_no_resource(document: object) -> None:
    assert isinstance(parse(document), Invalid)
