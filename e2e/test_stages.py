"""Targets for three kinds of hardware: each made on its own, one of them in vain."""

import json
from typing import Any

from e2e.story import MINUTES, Team, condition

Document = dict[str, Any]
FEATURE = "feature.node.kubernetes.io/cpu-cpuid"
INT8 = {"quantize": {"mode": "Static", "calibration": {"dataset": "calib", "samples": 64}}}


def label_nodes(team: Team) -> str:
    """Label the node as node feature discovery would; gives its GPU's product."""
    (node,) = team.kubectl.get("nodes")["items"]
    name = node["metadata"]["name"]
    for feature in ("AVX2", "AVX512VNNI"):
        team.kubectl("label", "node", name, f"{FEATURE}.{feature}=true", "--overwrite")
    product: str = node["metadata"]["labels"]["nvidia.com/gpu.product"]
    return product


def a_resource_for(product: str, team: Team) -> Document:
    return team.resource(
        "everywhere",
        targets=[
            {"name": "any", "runtime": "ONNXRuntime"},
            {"name": "old", "runtime": "ONNXRuntime", "cpu": {"isa": ["avx2"]}, "steps": [INT8]},
            {
                "name": "new",
                "runtime": "ONNXRuntime",
                "cpu": {"isa": ["avx512_vnni"]},
                "steps": [INT8],
            },
            {"name": "engine", "runtime": "TensorRT", "gpu": {"product": product}},
        ],
        evaluation={"dataset": "val", "gates": [{"metric": "Top1", "maxDrop": 0.05}]},
        output={
            "uri": f"s3://artifacts/{team.namespace}/",
            "publish": {"pointer": "latest.json"},
        },
        worker={"resources": {"limits": {"nvidia.com/gpu": 0}}},
    )


def test_targets_are_made_where_they_belong_and_fail_apart(team: Team) -> None:
    product = label_nodes(team)
    name = team.apply(a_resource_for(product, team))

    status = team.until_finished(name, seconds=20 * MINUTES)

    stages = {stage["name"]: stage["state"] for stage in status["run"]["stages"]}
    assert stages == {
        "compress": "Succeeded",
        "build1": "Succeeded",
        "build2": "Succeeded",
        "build3": "Failed",
        "publish": "Succeeded",
    }
    assert condition(status, "Failed") == ("True", "RuntimeUnavailable")
    assert {each["name"]: each["state"] for each in status["targets"]} == {
        "any": "Succeeded",
        "old": "Succeeded",
        "new": "Succeeded",
        "engine": "Failed",
    }
    manifest = json.loads(team.store.read_bytes(status["manifestURI"], limit=2**20))
    assert {artifact["target"] for artifact in manifest["artifacts"]} == {"any", "old", "new"}
    assert not [uri for uri in team.published() if uri.endswith("latest.json")]
    _each_ran_where_its_hardware_is(team)


def _each_ran_where_its_hardware_is(team: Team) -> None:
    jobs = team.kubectl.get("jobs", "-n", team.namespace)["items"]
    asked = {
        job["metadata"]["labels"]["lathe.dev/stage"]: job["spec"]["template"]["spec"]
        for job in jobs
    }
    assert asked["build1"]["nodeSelector"] == {f"{FEATURE}.AVX2": "true"}
    assert asked["build2"]["nodeSelector"] == {f"{FEATURE}.AVX512VNNI": "true"}
    limits = asked["build3"]["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "1"}
