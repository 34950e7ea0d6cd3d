"""The definitions of the resources come with the chart, whole, and stay when it goes."""

import gzip

import pytest
import yaml

from e2e.helm import CHART, Document, Helm
from e2e.localcluster.images import REPOSITORY

CRDS = sorted((REPOSITORY / "crds").glob("*.yaml"))
KEPT = {"helm.sh/resource-policy": "keep"}
MOST = 1_048_576 * 3 // 4  # a Secret holds a megabyte of base64


def definitions(helm: Helm, **crds: bool) -> list[Document]:
    documents = helm.template({"crds": crds})
    return [each for each in documents if each["kind"] == "CustomResourceDefinition"]


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
def test_a_definition_is_rendered_whole(helm: Helm, *, keep: bool) -> None:
    rendered = definitions(helm, keep=keep)

    assert len(rendered) == len(CRDS)
    for document, file in zip(rendered, CRDS, strict=True):
        assert document["metadata"].pop("labels")["helm.sh/chart"]
        assert document["metadata"].pop("annotations", {}) == (KEPT if keep else {})
        assert document == yaml.safe_load(file.read_text())


def test_without_them_there_are_none(helm: Helm) -> None:
    assert definitions(helm, enabled=False) == []


def test_a_release_is_small_enough_to_be_kept_in_a_secret(helm: Helm) -> None:
    rendered = helm("template", "lathe", str(CHART), helm.for_our_server)
    files = [file.read_bytes() for file in CHART.rglob("*") if file.is_file()]

    assert len(gzip.compress(b"".join([rendered.encode(), *files]))) < MOST // 4
