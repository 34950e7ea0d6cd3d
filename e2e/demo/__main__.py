"""`python -m e2e.demo up|down`: the quickstart's resource on Kubernetes, shown as it goes."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from e2e.demo import data, install
from e2e.demo.kubectl import Kubectl
from e2e.demo.places import from_environment
from e2e.demo.s3_pod import Storage
from e2e.localcluster.binaries import BuildError
from e2e.localcluster.debian import MissingError
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import CommandError, StartError
from e2e.localcluster.stages import Stages

NAMESPACE = "lathe-demo"
EXAMPLE = REPOSITORY / "examples" / "quickstart.yaml"
OUT = REPOSITORY / "out"
FINISHED = {"Succeeded", "Failed", "Cancelled"}


def up(stages: Stages) -> int:
    """Bring the example from nothing to its end; 0 when it succeeded."""
    place = from_environment(stages)
    kubectl = place.start()
    with stages.stage("images of operator and worker"):
        images = place.images()
    with stages.stage("CRD and operator"):
        install.operator(kubectl, images, OUT / "demo")
    with place.storage(kubectl) as storage:
        with stages.stage("a model and its data in S3"):
            data.upload(data.make(OUT / "storage"), storage)
        keys = {"access_key": storage.access_key, "secret_key": storage.secret_key}
        install.team(kubectl, NAMESPACE, **keys)
        phase = follow(kubectl, apply(kubectl, storage))
    stages.total("the demo, in all")
    return 0 if phase == "Succeeded" else 1


def apply(kubectl: Kubectl, storage: Storage) -> str:
    """Apply the example, pointed at the demo's storage; gives its name."""
    document = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    document["spec"]["storage"]["s3"]["endpoint"] = storage.endpoint
    if not has_gpus(kubectl):
        print("no node has nvidia.com/gpu: the example runs without one", file=sys.stderr)
        limits = {"nvidia.com/gpu": 0}
        document["spec"].setdefault("worker", {}).setdefault("resources", {})["limits"] = limits
    name: str = document["metadata"]["name"]
    kubectl("delete", "mo", name, f"--namespace={NAMESPACE}", "--ignore-not-found", "--wait")
    kubectl.apply({**document, "metadata": {**document["metadata"], "namespace": NAMESPACE}})
    return name


def has_gpus(kubectl: Kubectl) -> bool:
    """Whether any node offers GPUs to pods."""
    nodes = kubectl.get("nodes")["items"]
    return any(node["status"].get("allocatable", {}).get("nvidia.com/gpu") for node in nodes)


def follow(kubectl: Kubectl, name: str) -> str:
    """Show `kubectl get mo -w` until the resource is finished, then what came out; its phase."""
    here = (f"--namespace={NAMESPACE}", name)
    print(f"\n$ kubectl get mo {name} -n {NAMESPACE} -w", flush=True)
    with subprocess.Popen(kubectl.command("get", "mo", *here, "--watch")) as shown:
        watch = kubectl.command("get", "mo", *here, "--watch", "--output=jsonpath={.status.phase} ")
        with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as phases:
            phase = until_finished(phases)
            phases.terminate()
        shown.terminate()
    print(f"\n$ kubectl get mo {name} -n {NAMESPACE} -o wide", flush=True)
    print(kubectl("get", "mo", *here, "--output=wide"))
    tell(kubectl.get("mo", *here).get("status", {}))
    print(f"export KUBECONFIG={kubectl.kubeconfig}   # to look around; make demo-down ends it")
    return phase


def until_finished(phases: "subprocess.Popen[str]") -> str:
    """Read phases, each followed by a blank, until one is final; '' when the watch ends early."""
    word = ""
    while phases.stdout and (letter := phases.stdout.read(1)):
        if letter != " ":
            word += letter
        elif word in FINISHED:
            return word
        else:
            word = ""
    return ""


def tell(status: dict[str, Any]) -> None:
    """Print what was published, or what went wrong."""
    for artifact in status.get("artifacts", ()):
        print(f"  {artifact['bytes']:>10}  {artifact['uri']}")
    if report := status.get("reportURI"):
        print(f"  report: {report}")
    if failure := status.get("lastFailure"):
        print(f"  {failure['reason']}: {failure.get('message', '')}")


def down(stages: Stages) -> int:
    """Take away what `up` made; 0."""
    from_environment(stages).stop()
    return 0


def main(words: Sequence[str]) -> int:
    """Run one command; an expected failure is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo", description=__doc__)
    commands = {"up": up, "down": down}
    parser.add_argument("command", choices=commands)
    try:
        return commands[parser.parse_args(words).command](Stages())
    except (BuildError, CommandError, MissingError, StartError, TimeoutError) as error:
        print(f"{Path(sys.argv[0]).parent.name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
