"""The reference page of the resource names every field, and explains it."""

import re
from collections.abc import Iterator

import pytest

from lathe_api.crd import Schema, structural
from lathe_api.resource_page import STEPS, resource_page
from lathe_api.v1alpha1.resource import COLUMNS
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import ModelOptimizationStatus

ROWS = dict(re.findall(r"^\| `([^`]+)` \|.*\| (.*) \|$", resource_page(), re.MULTILINE))
HEADINGS = set(re.findall(r"^## ([a-z][A-Za-z.\[\]]+)$", resource_page(), re.MULTILINE))


def paths(schema: Schema, under: str) -> Iterator[str]:
    """Every field below a type, but not what steps consist of."""
    for name, field in schema.get("properties", {}).items():
        path = f"{under}.{name}{'[]' if 'items' in field else ''}"
        yield path
        if path not in STEPS:
            yield from paths(field.get("items", field), path)


@pytest.mark.parametrize("part", [ModelOptimizationSpec, ModelOptimizationStatus])
def test_every_field_has_a_row_or_a_heading(part: type) -> None:
    name = "spec" if part is ModelOptimizationSpec else "status"

    assert [path for path in paths(structural(part), name) if path not in {*ROWS, *HEADINGS}] == []


def test_every_row_explains() -> None:
    assert [path for path, meaning in ROWS.items() if len(meaning) < 5] == []


def test_steps_are_left_to_their_own_page() -> None:
    assert "[steps](steps.md)" in resource_page()
    assert [
        path for path in ROWS if path.startswith(("spec.steps[].", "spec.targets[].steps[]."))
    ] == []


def test_every_column_is_named() -> None:
    assert [c.name for c in COLUMNS if f"| {c.name} | " not in resource_page()] == []
