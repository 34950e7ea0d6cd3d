"""What a real API server, and schemas made from its own, say to the chart's objects."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.helm import CHART, SYSTEM, Document, Helm
from e2e.localcluster.binaries import binaries
from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import wait_until
from tests.integration.chart.conftest import Render
from tests.integration.chart.sets import SETS

pytestmark = pytest.mark.apiserver

PROMETHEUS = Path(__file__).parent / "prometheus"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture(scope="module")
def strict(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster with the Prometheus operator's resources and namespaces that admit little."""
    del control_plane  # only for its build, which tells how it goes on
    with ControlPlane() as running:
        running.kubectl("apply", "--server-side", "-f", str(PROMETHEUS))
        for namespace in (SYSTEM, "team-a", "team-b"):
            running.kubectl("create", "namespace", namespace)
            running.kubectl("label", "namespace", namespace, RESTRICTED)
        running.kubectl("create", "serviceaccount", "default", "-n", SYSTEM)
        wait_until(
            lambda: "podmonitors" in running.kubectl("api-resources", "-o", "name"),
            "the Prometheus operator's resources",
            seconds=60.0,
        )
        yield running


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_server_takes_every_object(strict: ControlPlane, helm: Helm, values: Document) -> None:
    documents = yaml.safe_dump_all(helm.template(values))

    taken = strict.kubectl(
        *("create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-"),
        stdin=documents,
    )

    assert "deployment.apps/" in taken


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_operators_pod_is_restricted(
    strict: ControlPlane, render: Render, values: Document
) -> None:
    (deployment,) = [each for each in render(values) if each["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    for unknown in ("serviceAccountName", "priorityClassName"):
        template["spec"].pop(unknown, None)  # objects that this cluster does not have
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**pod["metadata"], "name": "operator"}

    strict.kubectl(
        *("create", "--dry-run=server", "-n", SYSTEM, "-f", "-"), stdin=yaml.safe_dump(pod)
    )


@pytest.fixture(scope="module")
def schemas(strict: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON schemas of everything that the server knows, strict, as kubeconform looks for them."""
    folder = tmp_path_factory.mktemp("schemas")
    for path in json.loads(strict.kubectl("get", "--raw", "/openapi/v3"))["paths"]:
        if path.startswith(("api/", "apis/")):
            openapi = json.loads(strict.kubectl("get", "--raw", f"/openapi/v3/{path}"))
            _write(openapi.get("components", {}).get("schemas", {}), folder)
    return folder


def _write(known: Document, folder: Path) -> None:
    whole = folder / f"group-{len(list(folder.iterdir()))}.json"
    whole.write_text(json.dumps({"components": {"schemas": _strict(known)}}))
    for name, schema in known.items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            group = (
                kind["group"] or kind["version"]
            )  # so kubeconform calls the group that has no name
            place = folder / f"{group}_{kind['version']}_{kind['kind'].lower()}.json"
            place.write_text(json.dumps({"$ref": f"{whole.name}#/components/schemas/{name}"}))


def _strict(node: Any) -> Any:
    """The schema, refusing what it does not name."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        made["additionalProperties"] = node.get("x-kubernetes-preserve-unknown-fields", False)
    return made


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_every_object_is_of_its_schema(schemas: Path, helm: Helm, values: Document) -> None:
    told = _conforms(schemas, yaml.safe_dump_all(helm.template(values)))

    assert (told["summary"]["invalid"], told["summary"]["errors"]) == (0, 0), told
    assert told["summary"]["valid"] > 5


def test_what_is_not_of_its_schema_is_found(schemas: Path, render: Render) -> None:
    (deployment,) = [each for each in render() if each["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["serviceAcountName"] = "lathe"

    told = _conforms(schemas, yaml.safe_dump(deployment))

    assert told["summary"]["invalid"] == 1


def _conforms(schemas: Path, documents: str) -> Document:
    name = "{{ .Group }}_{{ .ResourceAPIVersion }}_{{ .ResourceKind }}.json"
    program = str(binaries(["kubeconform"])["kubeconform"])
    done = subprocess.run(
        [program, "-summary", "-output=json", f"-schema-location={schemas}/{name}"],
        input=documents,
        check=False,
        capture_output=True,
        text=True,
    )
    found: Document = json.loads(done.stdout)
    return found


def test_the_chart_is_packaged_whole(helm: Helm, tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")

    packed = helm.template({}, chart=package)

    assert packed == helm.template({})
