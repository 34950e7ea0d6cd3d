"""The reference page says of every step what its schema says."""

import re

import pytest

from lathe_api.steps_page import steps_page
from lathe_api.v1alpha1.steps import KINDS, StepEntry

SECTIONS = {
    part.partition("\n")[0]: part
    for part in re.split(r"^## ", steps_page(), flags=re.MULTILINE)[1:]
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_has_a_section_with_all_of_its_fields(kind: str) -> None:
    entry = StepEntry.model_fields[kind]
    step = next(each for each in entry.annotation.__args__ if each is not type(None))  # type: ignore[union-attr]

    named = re.findall(r"^\| `([A-Za-z]+)[`\[]", SECTIONS[str(entry.alias)], re.MULTILINE)

    assert set(named) == {field.alias for field in step.model_fields.values()}


def test_every_field_is_explained() -> None:
    rows = re.findall(r"^\| `.*\| (.*) \|$", steps_page(), re.MULTILINE)

    assert [row for row in rows if len(row) < 10] == []


def test_defaults_within_lists_stand_in_their_column() -> None:
    assert "| `roundTo` | integer, 1 to 256 | `8` |" in SECTIONS["prune"]
    assert "Defaults to" not in steps_page()
