"""`python -m e2e.localcluster …`: the local cluster's command line."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from e2e.localcluster import registry
from e2e.localcluster.binaries import API_PROGRAMS, BESIDE_IT, BuildError, binaries
from e2e.localcluster.cluster import GPU_PRODUCT, Cluster
from e2e.localcluster.controlplane import KubectlError
from e2e.localcluster.debian import MissingError
from e2e.localcluster.processes import CommandError, StartError
from e2e.localcluster.stages import Stages

Command = Callable[[argparse.Namespace], None]


def _control_plane_build(_: argparse.Namespace) -> None:
    for path in binaries((*API_PROGRAMS, *BESIDE_IT)).values():
        print(path)


def _up(arguments: argparse.Namespace) -> None:
    stages = Stages()
    cluster = Cluster(stages)
    cluster.up(gpu_product=arguments.gpu_product)
    stages.total("the cluster is up")
    store = cluster.object_store
    tools = binaries(["kubectl"])["kubectl"].parent
    print(f"export KUBECONFIG={cluster.control_plane.kubeconfig}")
    print(f"export PATH={tools}:$PATH")
    print(f"export AWS_ENDPOINT_URL_S3={store.endpoint} AWS_REGION={store.region}")
    print(f"export AWS_ACCESS_KEY_ID={store.access_key} AWS_SECRET_ACCESS_KEY={store.secret_key}")
    print(f"# buckets: {', '.join(store.buckets)}; logs: {cluster.folder / 'log'}")


def _down(arguments: argparse.Namespace) -> None:
    Cluster(Stages()).down(purge=arguments.purge)


def _status(_: argparse.Namespace) -> None:
    cluster = Cluster(Stages())
    print(json.dumps(cluster.status(), indent=2))
    if not cluster.is_whole():
        sys.exit(1)


def _images(_: argparse.Namespace) -> None:
    stages = Stages()
    if not registry.answers():
        raise StartError("no registry to push to: run `python -m e2e.localcluster up` first")
    images = Cluster(stages).images
    with stages.stage("operator image"):
        operator = images.operator()
    with stages.stage("worker image"):
        worker = images.worker()
    print(json.dumps({"operator": operator, "worker": worker}, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m e2e.localcluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(run=run)
        return added

    up = command("up", _up, "start the cluster, or find it running; print how to use it")
    up.add_argument("--gpu-product", default=GPU_PRODUCT, help="the node's label for its GPUs")
    down = command("down", _down, "end the cluster and remove all of it but caches and logs")
    down.add_argument("--purge", action="store_true", help="remove images and layers as well")
    command("status", _status, "say what runs; exit code 1 if not all of it")
    command("images", _images, "build operator and worker, push them, print their names as JSON")
    build = "build etcd, kube-apiserver and what tests run beside them; print where they are"
    command("control-plane-build", _control_plane_build, build)
    return parser


def main(words: Sequence[str]) -> int:
    """Runs one command; an expected failure is one line and exit code 1."""
    arguments = _parser().parse_args(words)
    try:
        arguments.run(arguments)
    except (
        BuildError,
        CommandError,
        KubectlError,
        MissingError,
        StartError,
        TimeoutError,
    ) as error:
        print(f"{Path(sys.argv[0]).parent.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
