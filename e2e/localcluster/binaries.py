"""Kubernetes', etcd's and Helm's programs, built from Go modules into the cache."""

import hashlib
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from e2e.localcluster.cache import alone, cache_root
from e2e.localcluster.processes import CommandError, run

GOMOD = Path(__file__).parent / "gomod"


class BuildError(RuntimeError):
    """A program could not be built; the message says which and what to do."""


@dataclass(frozen=True)
class Source:
    """A folder under gomod/ whose go.mod and go.sum pin one upstream module and all it needs."""

    folder: str
    module: str
    version_variables: tuple[str, ...] = ()

    def read(self) -> tuple[str, str]:
        """The texts of go.mod and go.sum."""
        place = GOMOD / self.folder
        return (place / "go.mod").read_text("utf-8"), (place / "go.sum").read_text("utf-8")


KUBERNETES = Source(
    "kubernetes",
    "k8s.io/kubernetes",
    # What `kubectl version`, /version and the node's status report.
    ("k8s.io/component-base/version.git", "k8s.io/client-go/pkg/version.git"),
)
ETCD = Source("etcd", "go.etcd.io/etcd/server/v3")
KUEUE = Source("kueue", "sigs.k8s.io/kueue")
PROMETHEUS = Source("prometheus", "github.com/prometheus/prometheus")
HELM = Source("helm", "helm.sh/helm/v3")
KUBECONFORM = Source("kubeconform", "github.com/yannh/kubeconform")

PROGRAMS = {
    "etcd": (ETCD, "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kubectl": (KUBERNETES, "k8s.io/kubernetes/cmd/kubectl"),
    "kube-controller-manager": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": (KUBERNETES, "k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-proxy"),
    "kueue": (KUEUE, "sigs.k8s.io/kueue/cmd/kueue"),
    "promtool": (PROMETHEUS, "github.com/prometheus/prometheus/cmd/promtool"),
    "helm": (HELM, "helm.sh/helm/v3/cmd/helm"),
    "kubeconform": (KUBECONFORM, "github.com/yannh/kubeconform/cmd/kubeconform"),
}
CLUSTER_PROGRAMS = tuple(
    name for name, (source, _) in PROGRAMS.items() if source in {KUBERNETES, ETCD}
)
CHART_PROGRAMS = ("helm", "kubeconform")
API_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
BESIDE_IT = ("kube-controller-manager", "kube-scheduler", "kueue")
"""What tests start beside an API server."""


def module_version(go_mod: str, module: str) -> str:
    """The version of `module` that the text of a go.mod requires; BuildError if it names none."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError(f"go.mod requires no {module}: restore e2e/localcluster/gomod")
    return found.group(1)


def linker_flags(variables: Iterable[str], version: str) -> str:
    """What `go build -ldflags` gets: stripped, and the version that the program says it has."""
    major, minor, *_ = version.removeprefix("v").split(".")
    stamps = {"Version": version, "Major": major, "Minor": minor, "TreeState": "clean"}
    settings = [
        f"-X {prefix}{name}={value}" for prefix in variables for name, value in stamps.items()
    ]
    return " ".join(["-s", "-w", *settings])


def folder_name(source: Source, go_mod: str, go_sum: str, machine: str) -> str:
    """Names a build by its version and a digest of all that decides it but the Go toolchain.

    The toolchain is left out so that a machine without Go can use a cache that it was given.
    """
    version = module_version(go_mod, source.module)
    flags = linker_flags(source.version_variables, version)
    digest = hashlib.sha256(f"{go_mod}\0{go_sum}\0{flags}\0{machine}".encode()).hexdigest()
    return f"{source.folder}-{version}-{digest[:12]}"


def binaries(
    names: Iterable[str] = CLUSTER_PROGRAMS, *, say: Callable[[str], None] = print
) -> dict[str, Path]:
    """Builds those of the programs `names` that the cache lacks; gives the path of each.

    With all of them there it takes milliseconds. Processes that ask at the same time wait for
    one build. Raises BuildError where Go is missing or a build fails.
    """
    paths = {name: _path(name) for name in names}
    if all(path.exists() for path in paths.values()):
        return paths
    if shutil.which("go") is None:
        raise BuildError(
            f"building {', '.join(paths)} needs Go 1.26 or newer on PATH: install it, run again"
        )
    with alone("binaries"):
        missing = {name: path for name, path in paths.items() if not path.exists()}
        if missing:
            say(f"building {', '.join(missing)}: up to 8 minutes on 2 cores, once for a version")
        for name, path in missing.items():
            started = time.monotonic()
            _build(name, path)
            say(f"built {name} in {time.monotonic() - started:.0f} s: {path}")
    return paths


def _path(name: str) -> Path:
    source, _ = PROGRAMS[name]
    folder = folder_name(source, *source.read(), f"{platform.system()}-{platform.machine()}")
    return cache_root() / "bin" / folder / name


def _build(name: str, path: Path) -> None:
    source, package = PROGRAMS[name]
    version = module_version(source.read()[0], source.module)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as scratch:
        result = Path(scratch) / name
        build = [
            *("env", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off"),
            *("go", "build", "-buildvcs=false", "-trimpath"),
            *("-ldflags", linker_flags(source.version_variables, version)),
            *("-o", str(result), package),
        ]
        try:
            run(*build, cwd=GOMOD / source.folder)
        except CommandError as error:
            raise BuildError(f"{name} could not be built: {error}") from error
        result.replace(path)
