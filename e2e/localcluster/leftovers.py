"""What containers leave on a machine when their runtime ends, and how it goes away."""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from e2e.localcluster.processes import run, started_at, wait_until


def mounts_below(mountinfo: str, folder: Path) -> list[Path]:
    """The mount points in `folder`, innermost first, out of /proc/self/mountinfo's text."""
    points = (_unescaped(line.split()[4]) for line in mountinfo.splitlines())
    inside = [Path(point) for point in points if Path(point).is_relative_to(folder)]
    return sorted(inside, key=lambda point: len(point.parts), reverse=True)


def _unescaped(point: str) -> str:
    return point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def unmount_below(folder: Path) -> None:
    """Unmounts everything in `folder`."""
    for point in mounts_below(Path("/proc/self/mountinfo").read_text("utf-8"), folder):
        run("umount", point)


def end_processes_naming(argument: str) -> None:
    """Kills each process that has `argument` among its own: the shims of one containerd socket."""
    _kill(list(_pids_naming(argument)))


def control_groups(name: str) -> list[Path]:
    """The control groups called `name` in every hierarchy."""
    groups = [*Path("/sys/fs/cgroup").glob(f"*/{name}"), Path("/sys/fs/cgroup", name)]
    return [group for group in groups if group.is_dir()]


def remove_control_groups(name: str) -> None:
    """Kills what runs in the control groups called `name` and removes them."""
    for group in control_groups(name):
        _kill(
            int(pid) for procs in group.rglob("cgroup.procs") for pid in procs.read_text().split()
        )
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()


def _kill(pids: Iterable[int]) -> None:
    killed = list(pids)
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: all(started_at(pid) is None for pid in killed),
        "the end of what containers left running",
        seconds=10,
    )


def _pids_naming(argument: str) -> Iterable[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if argument.encode() in arguments:
                yield int(entry.name)


def remove_network_results(network: str, folder: Path = Path("/var/lib/cni/results")) -> None:
    """Removes what CNI noted down about the pods of `network`, theirs on loopback included."""
    for result in folder.glob(f"{network}-*-eth0"):
        pod = result.name.removeprefix(f"{network}-").removesuffix("-eth0")
        (folder / f"cni-loopback-{pod}-lo").unlink(missing_ok=True)
        result.unlink()


def remove_links_into(folder: Path, target: Path) -> None:
    """Removes the symbolic links in `folder` that point below `target`."""
    if folder.is_dir():
        for link in folder.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(target):
                link.unlink()
