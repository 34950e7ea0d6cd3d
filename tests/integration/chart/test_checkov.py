"""checkov, which knows what auditors ask for, finds nothing but what has a reason."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from e2e.helm import Document
from e2e.localcluster.images import REPOSITORY
from tests.integration.chart.conftest import Render
from tests.integration.chart.sets import SETS

CHECKOV = "checkov==3.3.30"  # Apache-2.0; in an environment of its own, which uv makes

REASONS = {
    "CKV_K8S_11": "a limit on CPU would throttle a process that is idle but for moments",
    "CKV_K8S_15": "tags of releases do not change, and nodes without a registry can start pods",
    "CKV_K8S_38": "the operator talks to the API server: its pod, and no other, gets the token",
    "CKV_K8S_43": "the digest is that of the user's own registry: operator.image.digest",
}


@pytest.fixture(scope="module")
def findings(render: Render, tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """What it says of all sets of values, each finding once for each object."""
    folder = tmp_path_factory.mktemp("rendered")
    for number, values in enumerate(SETS.values()):
        (folder / f"{number}.yaml").write_text(yaml.safe_dump_all(render(values)))
    uv = shutil.which("uv") or str(REPOSITORY / ".tools" / "bin" / "uv")
    done = subprocess.run(
        [
            *(uv, "tool", "run", "--from", CHECKOV, "checkov", f"--directory={folder}"),
            *("--framework=kubernetes", "--skip-download", "--compact", "--output=json"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    told: Document = json.loads(done.stdout)
    assert told["summary"]["passed"] > 100, done.stderr
    assert told["summary"]["parsing_errors"] == 0
    found: list[Document] = told["results"]["failed_checks"]
    return found


def test_every_finding_has_a_reason(findings: list[Document]) -> None:
    unexplained = {
        (each["check_id"], each["check_name"], Path(each["file_path"]).name, each["resource"])
        for each in findings
        if each["check_id"] not in REASONS
    }

    assert unexplained == set()


def test_every_reason_has_a_finding(findings: list[Document]) -> None:
    assert {each["check_id"] for each in findings} >= set(REASONS)
