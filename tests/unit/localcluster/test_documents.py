"""Configurations as data say what the cluster depends on."""

import tomllib
from pathlib import Path

from e2e.localcluster import documents


def test_toml_reads_back_as_what_was_written() -> None:
    document = {
        "version": 2,
        "plugins": {
            "io.containerd.grpc.v1.cri": {
                "restrict_oom_score_adj": True,
                "cni": {"bin_dir": '/a "quoted" folder\\'},
                "registry": {"mirrors": {"10.88.0.2:5000": {"endpoint": ["http://x", "http://y"]}}},
            }
        },
    }

    assert tomllib.loads(documents.toml(document)) == document


def test_containerd_keeps_to_folders_of_the_cluster() -> None:
    ours = Path("/ours")
    document = documents.containerd(
        content=ours / "content",
        state=ours / "state",
        socket=ours / "socket",
        cni=ours / "cni",
        pause_image="pause",
        registries=ours / "registries",
    )

    read = tomllib.loads(documents.toml(document))
    cri = read["plugins"][documents.CRI]
    own = [read["root"], read["state"], read["grpc"]["address"], cri["cni"]["conf_dir"]]
    own.append(cri["registry"]["config_path"])
    assert all(Path(folder).is_relative_to(ours) for folder in own)


def test_a_full_disk_neither_evicts_pods_nor_collects_the_pause_image() -> None:
    document = documents.kubelet(
        address="10.88.0.2", ca=Path("/ca"), socket=Path("/socket"), logs=Path("/logs")
    )

    assert document["imageGCHighThresholdPercent"] == 100
    thresholds = document["evictionHard"]
    assert isinstance(thresholds, dict)
    assert {thresholds["nodefs.available"], thresholds["imagefs.available"]} == {"0%"}
