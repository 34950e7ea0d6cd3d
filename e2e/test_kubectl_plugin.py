"""People ask the cluster with `kubectl lathe`: they see a run, read its log, and get its report."""

import os
import subprocess
import sys
from pathlib import Path

from e2e.story import MINUTES, Team

METRICS = "/api/v1/namespaces/lathe-system/pods/{pod}:8080/proxy/metrics"


def lathe(team: Team, command: str, *words: str) -> str:
    """What `kubectl lathe …` prints to a user who has the S3 server's keys."""
    program, store = Path(team.kubectl.program), team.cluster.object_store
    places = (Path(sys.executable).parent, program.parent, Path("/usr/bin"), Path("/bin"))
    environment = {
        "PATH": os.pathsep.join(map(str, places)),
        "KUBECONFIG": str(team.kubectl.kubeconfig),
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
    }
    done = subprocess.run(
        [program, "lathe", command, "-n", team.namespace, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_people_see_a_run_read_its_log_and_get_its_report(team: Team, tmp_path: Path) -> None:
    name = team.apply(team.resource("seen"))
    team.until(name, lambda status: status.get("phase") == "Running", "a worker that runs")

    running = lathe(team, "status", name)
    log = lathe(team, "logs", "-f", name)
    team.until_finished(name, seconds=10 * MINUTES)
    ended = lathe(team, "status", name)
    report = tmp_path / "report.html"
    lathe(team, "report", name, "--to", str(report))

    assert "  Running  on lathe-node" in running
    assert "INFO" in log
    assert ended.splitlines()[0].startswith(f"{name}  Succeeded")
    assert "✓  export" in ended
    assert "<html" in report.read_text()


def test_the_operators_metrics_tell_of_the_run(team: Team) -> None:
    name = team.apply(team.resource("counted"))
    team.until_finished(name, seconds=10 * MINUTES)

    label = "app.kubernetes.io/name=lathe-operator"
    pods = team.kubectl.get("pods", "-n", "lathe-system", "-l", label)["items"]
    served = "".join(
        team.kubectl("get", "--raw", METRICS.format(pod=pod["metadata"]["name"])) for pod in pods
    )

    assert f'lathe_resources{{namespace="{team.namespace}",phase="Succeeded"}} 1.0' in served
    assert 'lathe_step_duration_seconds_count{kind="export"}' in served
    assert "lathe_leader 1.0" in served
