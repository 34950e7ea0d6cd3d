"""charts/kustomize is the chart without helm."""

from pathlib import Path

import pytest
import yaml

from e2e.helm import Document
from e2e.localcluster.binaries import binaries
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import run
from tests.integration.chart.conftest import Render
from tests.integration.chart.sets import ALONE

BASES = REPOSITORY / "charts" / "kustomize"
OF_HELM = {"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"}

pytestmark = pytest.mark.apiserver


def kustomized(folder: Path) -> list[Document]:
    text = run(binaries(["kubectl"])["kubectl"], "kustomize", folder)
    return list(yaml.safe_load_all(text))


def by_name(documents: list[Document], *, but: str = "") -> dict[str, Document]:
    """Objects without the labels that only helm gives, and namespaces that only kustomize gives.

    It does not know that policies are in none; nor does it matter to the server.
    """
    for document in documents:
        if document["kind"].startswith("ValidatingAdmissionPolicy"):
            document["metadata"].pop("namespace", None)
        spec = document.get("spec") or {}
        for metadata in (document["metadata"], spec.get("template", {}).get("metadata", {})):
            labels = metadata.get("labels", {})
            metadata["labels"] = {k: v for k, v in labels.items() if k not in OF_HELM}
    return {f"{d['kind']} {d['metadata']['name']}": d for d in documents if d["kind"] != but}


def test_the_base_is_what_the_chart_is_when_nothing_is_set(render: Render) -> None:
    assert by_name(kustomized(BASES / "base"), but="Namespace") == by_name(render())


def test_a_teams_namespace_gets_the_same_account_either_way(render: Render, tmp_path: Path) -> None:
    up = "/".join(".." for _ in tmp_path.resolve().parts[1:])
    overlay = {"namespace": "team-a", "resources": [f"{up}{BASES / 'worker'}"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    values = {"namespaces": ["team-a"], "worker": {"serviceAccount": {"enabled": True}}}
    theirs = [d for d in render({**values, "networkPolicy": ALONE}) if _is_theirs(d)]

    expected = by_name(theirs)
    for document in expected.values():
        del document["metadata"]["labels"]["app.kubernetes.io/instance"]

    assert by_name(kustomized(tmp_path)) == expected


def _is_theirs(document: Document) -> bool:
    namespace: str | None = document["metadata"].get("namespace")
    return namespace == "team-a"
