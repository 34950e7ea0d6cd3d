"""What the generated CustomResourceDefinition must be, before any server sees it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from lathe_api.crd import crd, main, structural

ROOT = Path(__file__).parents[3]
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below a schema, with where it is."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if isinstance(values := node.get("additionalProperties"), dict):
        yield from walk(values, f"{path}.*")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")


def test_the_checked_in_file_is_what_the_types_generate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main()

    assert (ROOT / "crds/lathe.dev_modeloptimizations.yaml").read_text() == capsys.readouterr().out


def test_every_field_of_the_spec_explains_itself() -> None:
    silent = [
        path
        for path, node in walk(SCHEMA["properties"]["spec"], "spec")
        if path != "spec" and not path.endswith(("[]", "*")) and not node.get("description")
    ]

    assert silent == []


def test_no_default_lies_within_a_list_where_it_would_drift() -> None:
    drifting = [path for path, node in walk(SCHEMA) if "[]" in path and "default" in node]

    assert drifting == []


def test_no_reference_has_a_namespace() -> None:
    assert [path for path, _ in walk(SCHEMA["properties"]["spec"]) if "namespace" in path] == []


def test_it_is_plain_yaml_without_aliases() -> None:
    text = (ROOT / "crds/lathe.dev_modeloptimizations.yaml").read_text()

    assert yaml.safe_load(text) == crd()
    assert "&id" not in text


class _Unbounded(BaseModel):
    words: str


class _Endless(BaseModel):
    numbers: list[int]


@pytest.mark.parametrize("model", [_Unbounded, _Endless], ids=["string", "list"])
def test_what_has_no_bound_is_not_generated(model: type[BaseModel]) -> None:
    with pytest.raises(ValueError, match="needs max"):
        structural(model)
