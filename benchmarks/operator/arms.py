"""The two operators that are compared, as processes, and what a process costs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.operator.goprograms import twin
from tests.integration.operator.installed import OperatorProcess

CONCURRENCY = 16
"""Resources that either arm looks at at once."""
LATHE, TWIN = "lathe", "twin"
ARMS = (LATHE, TWIN)
"""Names of the arms; each is the user as which it speaks to the API server, too."""
KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds, in KiB."""

    rss: int
    pss: int
    peak: int
    """The most that was ever resident."""


@dataclass(frozen=True, slots=True)
class Arm:
    """An operator that runs."""

    name: str
    pid: int

    @property
    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def memory(self) -> Memory:
        """What it holds now."""
        rollup = _kib(Path(f"/proc/{self.pid}/smaps_rollup"))
        peak = _kib(Path(f"/proc/{self.pid}/status"))["VmHWM"]
        return Memory(rollup["Rss"], rollup["Pss"], peak)


def _kib(path: Path) -> dict[str, int]:
    """The amounts of a file of /proc that tells them in kB."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1:] == ["kB"]}


@contextmanager
def running(name: str, kubeconfig: Path, namespace: str, templates: Path) -> Iterator[Arm]:
    """One of the arms, serving one namespace, as long as the block runs."""
    log = templates.parent / f"{namespace}.log"
    if name == LATHE:
        settings = {
            "LATHE_NAMESPACES": namespace,
            "LATHE_LEASE_NAME": namespace,
            "LATHE_LEASE_SECONDS": "15",
            "LATHE_LEASE_RETRY_SECONDS": "2",
            "LATHE_WORKERS": str(CONCURRENCY),
        }
        with OperatorProcess(kubeconfig, log, **settings) as operator:
            operator.until_leading()
            yield Arm(name, operator.process.pid)
        return
    options = ("-kubeconfig", kubeconfig, "-namespace", namespace, "-templates", templates)
    command: list[str | Path] = [twin(), "operate", *options, "-concurrency", str(CONCURRENCY)]
    with log.open("ab") as told, subprocess.Popen(command, stderr=told) as process:
        try:
            yield Arm(name, process.pid)
        finally:
            process.kill()


@contextmanager
def kubelet(kubeconfig: Path, namespace: str, templates: Path) -> Iterator[None]:
    """Somebody who lets every pod of a namespace run and succeed."""
    options = ("-kubeconfig", kubeconfig, "-namespace", namespace, "-templates", templates)
    with subprocess.Popen([twin(), "kubelet", *options]) as process:
        try:
            yield
        finally:
            process.kill()


def create(kubeconfig: Path, namespace: str, templates: Path, *options: str) -> None:
    """Create resources, as the options say; ends when all are there."""
    known = ("-kubeconfig", kubeconfig, "-namespace", namespace, "-templates", templates)
    done = subprocess.run([twin(), "create", *known, *options], check=False)
    if done.returncode:
        sys.exit("resources could not be created")
