"""What a resource takes from a profile, and what it never does."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_api import profiles
from lathe_api.chains import Finding
from lathe_api.profiles import SECTIONS, WHOLE, filled
from lathe_api.validation import Invalid
from tests.builders import FUSE, PRUNE, Document, a_resource, refers_to

GATE = {"metric": "Top1", "maxDrop": 0.01}

TAKEN: dict[str, tuple[Document, Document, Document, tuple[str, ...]]] = {
    "steps of which it has none": ({}, {"steps": [FUSE]}, {"steps": [FUSE]}, ("steps",)),
    "steps of which it has an empty list": (
        {"steps": []},
        {"steps": [FUSE]},
        {"steps": [FUSE]},
        ("steps",),
    ),
    "no step beside its own": (
        {"steps": [PRUNE]},
        {"steps": [FUSE], "targets": []},
        {"steps": [PRUNE]},
        (),
    ),
    "limits beside its own": (
        {"run": {"suspend": True, "backoffLimit": 0}},
        {"run": {"backoffLimit": 5, "activeDeadlineSeconds": 60}},
        {"run": {"suspend": True, "backoffLimit": 0, "activeDeadlineSeconds": 60}},
        ("run.activeDeadlineSeconds",),
    ),
    "a section of which it says nothing": (
        {},
        {"run": {"backoffLimit": 5}},
        {"run": {"backoffLimit": 5}},
        ("run",),
    ),
    "no gate beside its own": (
        {"evaluation": {"dataset": "val", "gates": [GATE]}},
        {"evaluation": {"gates": [], "onFailure": "Warn"}},
        {"evaluation": {"dataset": "val", "gates": [GATE], "onFailure": "Warn"}},
        ("evaluation.onFailure",),
    ),
    "an endpoint beside its credentials": (
        {"storage": {"s3": {"credentials": {"anonymous": {}}}}},
        {"storage": {"s3": {"endpoint": "http://s3", "credentials": {"serviceAccount": {}}}}},
        {"storage": {"s3": {"endpoint": "http://s3", "credentials": {"anonymous": {}}}}},
        ("storage.s3.endpoint",),
    ),
    "storage of which it says nothing": (
        {},
        {"storage": {"s3": {"endpoint": "http://s3"}}},
        {"storage": {"s3": {"endpoint": "http://s3"}}},
        ("storage.s3",),
    ),
    "nothing that only a resource can say": (
        {},
        {"model": {}, "datasets": [], "description": "small", "deprecated": {"message": "old"}},
        {},
        (),
    ),
}


@pytest.mark.parametrize(("own", "profile", "expected", "taken"), TAKEN.values(), ids=TAKEN)
def test_it_takes(
    own: Document, profile: Document, expected: Document, taken: tuple[str, ...]
) -> None:
    made = filled({"kind": "ModelOptimization", "spec": own}, profile)

    assert made.document == {"kind": "ModelOptimization", "spec": expected}
    assert made.taken == taken


NAMES = st.sampled_from([*WHOLE, *(path[0] for path in SECTIONS), "s3", "model", "gates", "x"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
SPECS = st.dictionaries(NAMES, ANYTHING, max_size=5)


@given(ANYTHING, SPECS)
@settings(deadline=None)
def test_whatever_is_written_what_the_resource_says_stays(own: Any, profile: Document) -> None:
    document = {"spec": own}
    made = filled(document, profile)

    assert document == {"spec": own}
    assert says_all_of(made.document["spec"], own)
    assert filled(made.document, profile).document == made.document


def says_all_of(made: Any, own: Any) -> bool:
    """Whether a document says what another does, where that says anything."""
    if not isinstance(own, dict):
        return own in (None, []) or made == own
    return all(says_all_of(made.get(name), value) for name, value in own.items())


def test_a_finding_says_what_of_it_was_taken() -> None:
    found = Invalid((Finding("steps[1].prune", "is wrong"), Finding("model.uri", "is wrong, too")))

    steps, model = profiles.traced(found, ("steps", "run"), "OptimizationProfile/small").findings

    assert "spec.steps is taken from OptimizationProfile/small" in steps.message
    assert model == found.findings[1]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"spec": None},
        a_resource().document(),
        {"spec": {"profileRef": {"kind": "ConfigMap", "name": "a"}}},
    ],
    ids=["nothing", "a list", "no spec", "no reference", "a reference to what is no profile"],
)
def test_what_refers_to_no_profile_refers_to_none(document: object) -> None:
    assert profiles.referred_to(document) is None


def test_a_reference_is_read() -> None:
    found = profiles.referred_to(a_resource().with_(profileRef=refers_to()).document())

    assert found is not None
    assert profiles.spelled(found) == "OptimizationProfile/small"
