"""The chart, rendered and installed by helm."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.localcluster.binaries import KUBERNETES, binaries, module_version
from e2e.localcluster.images import REPOSITORY

CHART = REPOSITORY / "charts" / "lathe"
RELEASE = "lathe"
SYSTEM = "lathe-system"

Document = dict[str, Any]
Values = Mapping[str, object]


class HelmError(RuntimeError):
    """helm ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Helm:
    """helm, and the cluster that it is given, if any.

    Attributes:
        home: A folder of the caller's, in which helm keeps what it keeps.
        kubeconfig: The cluster.
    """

    home: Path
    kubeconfig: Path | None = None

    @property
    def for_our_server(self) -> str:
        """The flag that names the server's version where helm cannot ask for it."""
        return f"--kube-version={module_version(KUBERNETES.read()[0], KUBERNETES.module)}"

    def __call__(self, *arguments: str, values: Values | None = None) -> str:
        """Give what it printed; HelmError with what it said when it fails."""
        environment = {"HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig or "/dev/null")}
        given = () if values is None else ("--values=-",)
        done = subprocess.run(
            [str(binaries(["helm"])["helm"]), *arguments, *given],
            input=None if values is None else yaml.safe_dump(dict(values)),
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr.strip())
        return done.stdout

    def template(
        self, values: Values, *flags: str, chart: Path = CHART, namespace: str = SYSTEM
    ) -> list[Document]:
        """Give the objects that the chart is with these values."""
        where = (RELEASE, str(chart), f"--namespace={namespace}")
        text = self("template", *where, self.for_our_server, *flags, values=values)
        return [document for document in yaml.safe_load_all(text) if document]
