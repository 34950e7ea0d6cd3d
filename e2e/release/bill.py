"""The bill of materials of an image, as CycloneDX: what the lock says, and what Debian brought."""

import json
import shutil
from collections.abc import Sequence
from typing import Any

from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import run
from e2e.release.contents import Contents

Document = dict[str, Any]

MARKER = "uv:package:marker"
"""On a component of the lock that only some platforms need."""


def bill(name: str, version: str, extras: Sequence[str], contents: Contents) -> Document:
    """The bill of an image: the lock's components for these extras, with their digests, and ours.

    What the lock has for some platforms or Pythons alone counts where the image has it. Nothing
    else is looked up there, so that whoever compares the two learns something.
    """
    locked = _locked(extras)
    installed = contents.distributions()
    components = [each for each in locked["components"] if _is_needed(each, installed)]
    whole = {"type": "container", "bom-ref": name, "name": name, "version": version}
    return {
        **locked,
        "metadata": {**locked["metadata"], "component": whole},
        "components": [*components, _ours(version), *_debian(contents)],
        "dependencies": _without(locked["dependencies"], {each["bom-ref"] for each in components}),
    }


def components(bill: Document, kind: str) -> dict[str, str]:
    """Versions of a bill's components of one kind of package URL, `pypi` or `deb`, by name."""
    return {
        each["name"]: each["version"]
        for each in bill["components"]
        if each["purl"].startswith(f"pkg:{kind}/")
    }


def _locked(extras: Sequence[str]) -> Document:
    uv = shutil.which("uv") or str(REPOSITORY / ".tools" / "bin" / "uv")
    told = run(
        *(uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project"),
        *("--format=cyclonedx1.5", *(f"--extra={extra}" for extra in extras)),
        cwd=REPOSITORY,
    )
    found: Document = json.loads(told)
    return found


def _is_needed(component: Document, installed: dict[str, str]) -> bool:
    marked = any(each["name"] == MARKER for each in component.get("properties", ()))
    return not marked or installed.get(component["name"]) == component["version"]


def _ours(version: str) -> Document:
    purl = f"pkg:pypi/lathe@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": "lathe",
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def _debian(contents: Contents) -> list[Document]:
    return [
        {
            "type": "library",
            "bom-ref": f"deb:{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:deb/debian/{name}@{version}",
        }
        for name, version in sorted(contents.debian_packages().items())
    ]


def _without(dependencies: list[Document], known: set[str]) -> list[Document]:
    return [
        {**each, "dependsOn": [other for other in each.get("dependsOn", ()) if other in known]}
        for each in dependencies
        if each["ref"] in known
    ]
