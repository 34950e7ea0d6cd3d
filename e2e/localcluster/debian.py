"""The programs that come from the machine's distribution."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from e2e.localcluster.documents import CNI_PLUGINS
from e2e.localcluster.processes import run

# What must be there, and the Debian package that brings it.
NEEDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    str(CNI_PLUGINS / "ptp"): "containernetworking-plugins",
    str(CNI_PLUGINS / "loopback"): "containernetworking-plugins",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "openssl": "openssl",
}


class MissingError(RuntimeError):
    """The machine lacks something that cannot be installed here; the message says what."""


def missing_packages() -> list[str]:
    """The Debian packages whose programs are not there, each once."""
    lacking = (package for program, package in NEEDS.items() if not _is_there(program))
    return list(dict.fromkeys(lacking))


def _is_there(program: str) -> bool:
    return Path(program).exists() if "/" in program else shutil.which(program) is not None


def require(say: Callable[[str], None]) -> None:
    """Installs what is missing; MissingError when this is not root, or not a Debian machine."""
    if os.geteuid() != 0:
        raise MissingError("a cluster with real containers needs root: run this command as root")
    packages = missing_packages()
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise MissingError(f"install what these Debian packages hold: {', '.join(packages)}")
    say(f"installing {', '.join(packages)}")
    run("apt-get", "update")
    run(
        *("env", "DEBIAN_FRONTEND=noninteractive"),
        *("apt-get", "install", "--yes", "--no-install-recommends"),
        *("--option", "DPkg::Lock::Timeout=120", *packages),
    )
