"""What the generated CustomResourceDefinition must be, before any server sees it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from lathe_api.crd import _types_below, crd, main, structural, text
from lathe_api.v1alpha1.kinds import SERVED, Kind
from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.base import Parameters, Rule

ROOT = Path(__file__).parents[3]
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPECS = {
    kind.name: crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for kind in SERVED
}


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below a schema, with where it is."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if isinstance(values := node.get("additionalProperties"), dict):
        yield from walk(values, f"{path}.*")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")


@pytest.mark.parametrize("kind", SERVED, ids=lambda kind: kind.name)
def test_the_checked_in_file_is_what_the_types_generate(kind: Kind) -> None:
    assert (ROOT / "crds" / kind.file).read_text() == text(kind)


def test_a_file_is_written_for_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["crd", str(tmp_path)])
    main()

    assert {file.name for file in tmp_path.iterdir()} == {kind.file for kind in SERVED}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_field_of_the_spec_explains_itself(spec: dict[str, Any]) -> None:
    silent = [
        path
        for path, node in walk(spec, "spec")
        if path != "spec" and not path.endswith(("[]", "*")) and not node.get("description")
    ]

    assert silent == []


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_default_is_written_into_a_spec_where_a_profile_could_not_give_another(
    spec: dict[str, Any],
) -> None:
    assert [path for path, node in walk(spec) if "default" in node] == []


def test_no_default_lies_within_a_list_where_it_would_drift() -> None:
    drifting = [path for path, node in walk(SCHEMA) if "[]" in path and "default" in node]

    assert drifting == []


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_reference_has_a_namespace(spec: dict[str, Any]) -> None:
    assert [path for path, _ in walk(spec) if "namespace" in path] == []


def test_it_is_plain_yaml_without_aliases() -> None:
    text = (ROOT / "crds/lathe.dev_modeloptimizations.yaml").read_text()

    assert yaml.safe_load(text) == crd()
    assert "&id" not in text


def rules_within_lists() -> Iterator[tuple[type[Parameters], Rule]]:
    """Rules of every type that stands in a list, where the server fills in no defaults."""
    for model in _types_below(StepEntry).values():
        if issubclass(model, Parameters):
            yield from ((model, rule) for rule in model.rules)


def test_rules_within_lists_ask_whether_a_field_is_there_before_they_read_it() -> None:
    careless = [
        f"{model.__name__}.{name}: {rule.cel}"
        for model, rule in rules_within_lists()
        for name in re.findall(r"self\.([a-zA-Z]+)", rule.cel)
        if name not in required(model) and f"has(self.{name})" not in rule.cel
    ]

    assert careless == []


def required(model: type[Parameters]) -> set[str | None]:
    return {field.alias for field in model.model_fields.values() if field.is_required()}


class _OneLetter(BaseModel):
    n: int


def test_a_name_that_yaml_reads_as_a_boolean_is_not_generated() -> None:
    with pytest.raises(ValueError, match="YAML"):
        structural(_OneLetter)


class _Unbounded(BaseModel):
    words: str


class _Endless(BaseModel):
    numbers: list[int]


@pytest.mark.parametrize("model", [_Unbounded, _Endless], ids=["string", "list"])
def test_what_has_no_bound_is_not_generated(model: type[BaseModel]) -> None:
    with pytest.raises(ValueError, match="needs max"):
        structural(model)
