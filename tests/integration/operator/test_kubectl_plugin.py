"""`kubectl lathe` as users type it: kubectl finds it on PATH, and it asks a real API server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.localcluster.binaries import binaries
from lathe_operator.decide.names import RESTART
from tests.builders import PRUNE, a_resource
from tests.integration.operator.installed import OperatorProcess, Team

pytestmark = pytest.mark.apiserver

Typed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def typed(team: Team) -> Typed:
    """Types words after `kubectl`, as the administrator, with the plugin on PATH."""
    kubectl = binaries(["kubectl"])["kubectl"]
    places = (Path(sys.executable).parent, kubectl.parent, Path("/usr/bin"), Path("/bin"))
    environment = {
        "PATH": os.pathsep.join(map(str, places)),
        "KUBECONFIG": str(team.control_plane.kubeconfig),
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [kubectl, *words], env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_a_run_is_seen_held_back_resumed_done_again_and_cancelled(
    operator: OperatorProcess, team: Team, typed: Typed
) -> None:
    assert operator.leads
    here = ("-n", team.namespace)
    team.apply()
    job = team.until_job()
    pod = team.start_pod(job)
    team.until_phase("Running")

    tree = typed("lathe", "status", "digits", *here)
    assert (tree.returncode, tree.stderr) == (0, "")
    assert f"job  {job['metadata']['name']}  Running" in tree.stdout
    assert f"pod  {pod}  Running" in tree.stdout
    assert "\033" not in tree.stdout

    assert typed("lathe", "suspend", *here, "digits").returncode == 0
    team.until_phase("Suspended")
    team.kubectl("delete", "pod", pod, "--grace-period=0", "--force")  # as the Job controller does
    assert typed("lathe", "resume", *here, "digits").returncode == 0
    pod = team.start_pod(job, "fghij")
    team.until_phase("Running")
    team.end(job, pod)
    team.until_phase("Succeeded")
    assert typed("lathe", "report", "digits", *here).stdout.startswith("s3://artifacts/digits/")

    assert typed("lathe", "retry", "digits", *here).returncode == 0
    assert RESTART in team.get("mo", "digits")["metadata"]["annotations"]
    team.until_job(2)
    assert typed("lathe", "cancel", "digits", *here).returncode == 0
    team.until_phase("Cancelled")

    listed = typed("lathe", "list", *here, "--phase", "Cancelled", "-o", "json")
    (found,) = json.loads(listed.stdout)["items"]
    assert found["metadata"]["name"] == "digits"


def test_two_resources_are_told_apart(team: Team, typed: Typed) -> None:
    team.apply()
    team.apply(a_resource().named("pruned").steps(PRUNE))

    same = typed("lathe", "diff", "digits", "digits", "-n", team.namespace)
    other = typed("lathe", "diff", "digits", "pruned", "-n", team.namespace)

    assert (same.returncode, other.returncode) == (0, 1)
    assert "steps" in other.stdout


def test_what_cannot_be_done_is_said_in_the_servers_words(team: Team, typed: Typed) -> None:
    missing = typed("lathe", "status", "resnet", "-n", team.namespace)
    unreachable = typed("lathe", "list", "--kubeconfig", "/dev/null", "--context", "none")

    assert missing.returncode == 1
    assert "not found" in missing.stderr
    assert unreachable.returncode == 1
    assert missing.stdout == unreachable.stdout == ""


def test_a_run_without_a_pod_has_no_log_and_says_why(team: Team, typed: Typed) -> None:
    team.apply()

    logs = typed("lathe", "logs", "digits", "-n", team.namespace)

    assert logs.returncode == 2
    assert "kubectl lathe status digits" in logs.stderr


def test_kubectl_completes_commands_and_resources(team: Team, typed: Typed) -> None:
    team.apply()

    commands = typed("__complete", "lathe", "st")
    resources = typed("__complete", "lathe", "status", "-n", team.namespace, "di")

    assert commands.stdout.splitlines()[0] == "status"
    assert resources.stdout.splitlines()[0] == "digits"
