"""Cleaning up touches what lies in the cluster's folder, and nothing beside it."""

import os
from pathlib import Path

from e2e.localcluster.leftovers import mounts_below, remove_links_into, remove_network_results
from e2e.localcluster.processes import Processes, started_at

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 22 0:50 / /cache/cluster/node/rootfs rw,relatime - overlay overlay rw
91 90 0:51 / /cache/cluster/node/rootfs/with\\040space rw - tmpfs tmpfs rw
92 22 0:52 / /cache/cluster-of-another/rootfs rw - tmpfs tmpfs rw
93 22 0:53 / /cache/cluster/node rw - tmpfs tmpfs rw
"""


def test_mounts_come_innermost_first_and_only_from_inside_the_folder() -> None:
    assert mounts_below(MOUNTINFO, Path("/cache/cluster")) == [
        Path("/cache/cluster/node/rootfs/with space"),
        Path("/cache/cluster/node/rootfs"),
        Path("/cache/cluster/node"),
    ]


def test_links_that_point_elsewhere_stay(tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "ours").symlink_to(tmp_path / "logs" / "pod" / "0.log")
    (links / "theirs").symlink_to("/var/log/pods/0.log")

    remove_links_into(links, tmp_path / "logs")

    assert [link.name for link in links.iterdir()] == ["theirs"]


def test_notes_about_pods_of_other_networks_stay(tmp_path: Path) -> None:
    for name in ("lathe-a1-eth0", "cni-loopback-a1-lo", "kindnet-b2-eth0", "cni-loopback-b2-lo"):
        (tmp_path / name).touch()

    remove_network_results("lathe", tmp_path)

    assert {note.name for note in tmp_path.iterdir()} == {"kindnet-b2-eth0", "cni-loopback-b2-lo"}


def test_a_program_is_found_again_by_its_record_and_ended_by_it(tmp_path: Path) -> None:
    started = Processes(tmp_path).start("sleeper", ["sleep", "60"])

    again = Processes(tmp_path)
    assert again.find("sleeper") == started
    again.stop("sleeper")

    assert started_at(started.pid) is None
    assert again.names() == []


def test_a_record_whose_pid_belongs_to_another_process_by_now_names_nothing(
    tmp_path: Path,
) -> None:
    processes = Processes(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.json").write_text(
        f'{{"name": "old", "pid": {os.getpid()}, "started": 1, "log": ""}}'
    )

    assert processes.find("old") is None
    processes.stop("old")
    assert processes.names() == []
