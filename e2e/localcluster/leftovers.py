"""What containers leave on a machine when their runtime ends, and how it goes away."""

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
    pids = list(_pids_naming(argument))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: all(started_at(pid) is None for pid in pids),
        f"the end of the processes that name {argument}",
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


def remove_control_groups(name: str) -> None:
    """Removes the control groups called `name` in every hierarchy; they must be empty by now."""
    for group in [*Path("/sys/fs/cgroup").glob(f"*/{name}"), Path("/sys/fs/cgroup", name)]:
        if group.is_dir():
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()


def remove_links_into(folder: Path, target: Path) -> None:
    """Removes the symbolic links in `folder` that point below `target`."""
    if folder.is_dir():
        for link in folder.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(target):
                link.unlink()
