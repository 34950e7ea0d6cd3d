"""The bill of materials says what the lock says, for the platform of the image."""

import re
from pathlib import Path

from e2e.localcluster.images import REPOSITORY
from e2e.release.bill import bill, components
from e2e.release.contents import Contents


def test_the_operators_bill_is_its_lock_and_us(tmp_path: Path) -> None:
    made = bill("lathe-operator", "1.2.3", ("operator",), Contents(tmp_path))

    told = components(made, "pypi")
    assert told["lathe"] == "1.2.3"
    assert {"kopf", "kubernetes", "pydantic"} <= set(told)
    assert {"torch", "boto3"}.isdisjoint(told)
    assert made["metadata"]["component"]["name"] == "lathe-operator"


def installed(root: Path, **versions: str) -> Contents:
    for name, version in versions.items():
        metadata = root / f"{name}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Name: {name}\nVersion: {version}\n")
    return Contents(root)


def test_of_what_platforms_and_pythons_differ_in_the_bill_has_what_the_image_has(
    tmp_path: Path,
) -> None:
    some = bill("lathe-worker", "1.2.3", ("worker",), Contents(tmp_path))
    text = (REPOSITORY / "uv.lock").read_text()
    older, newer = sorted(re.findall(r'name = "numpy"\nversion = "(.*)"', text))

    made = bill("lathe-worker", "1.2.3", ("worker",), installed(tmp_path, numpy=older))

    assert "numpy" not in components(some, "pypi")
    assert components(made, "pypi")["numpy"] == older != newer
    known = {each["bom-ref"] for each in made["components"]}
    assert {ref for each in made["dependencies"] for ref in each["dependsOn"]} <= known


def test_every_component_can_be_checked_by_its_digest(tmp_path: Path) -> None:
    made = bill("lathe-operator", "1.2.3", ("operator",), Contents(tmp_path))

    for each in made["components"]:
        if each["name"] != "lathe":
            hashes = [h for ref in each["externalReferences"] for h in ref["hashes"]]
            assert all(len(h["content"]) == 64 for h in hashes), each["name"]
