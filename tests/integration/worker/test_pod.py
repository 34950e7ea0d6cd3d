"""The worker as a pod runs it: real toolchains, a real S3 server, and signals."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lathe_api.outcome import LIMIT, Outcome
from lathe_api.plan import plan_of
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.newfile import digest_of
from tests.builders import ONNX_MODEL, PRUNE, SIMPLIFY, TORCH_MODEL, ResourceBuilder, a_resource
from tests.s3_server import ADMIN, NOBODY, Identity, S3Server

pytestmark = [pytest.mark.toolchain, pytest.mark.s3]

SECONDS = 120
TORCH = {
    **TORCH_MODEL,
    "uri": "s3://models/torch/",
    "architecture": {"ref": "lathe.small_cnn", "args": {"width": 8}},
}
ONNX = {**ONNX_MODEL, "uri": "s3://models/onnx/model.onnx"}
EVALUATION = {
    "dataset": "val",
    "metrics": ["ArgmaxAgreement", "SizeBytes", "Params"],
    "gates": [{"metric": "SizeBytes", "maxRatio": 2}],
}
LONG = (
    a_resource()
    .with_(model=TORCH, evaluation=EVALUATION)
    .steps(
        {"name": "halve", **PRUNE},
        {"name": "recover", "distill": {"dataset": "train", "epochs": 8}},
    )
)
SHORT = a_resource().with_(model=ONNX, evaluation=EVALUATION).steps(SIMPLIFY)


@dataclass
class Pod:
    """One pod after the other, each with an empty workspace, all for one output."""

    server: S3Server
    path: Path
    identity: Identity = ADMIN
    prefix: str = field(default_factory=lambda: f"{uuid.uuid4().hex}/")

    def start(self, resource: ResourceBuilder) -> "subprocess.Popen[bytes]":
        """Start a pod for a resource."""
        workspace = self.path / uuid.uuid4().hex
        plan = plan_of(
            resource.with_(
                output={"uri": f"s3://artifacts/{self.prefix}"},
                storage={"s3": {"endpoint": self.server.endpoint, "addressingStyle": "Path"}},
            ).parsed(),
            namespace="team",
            name="digits",
        )
        (self.path / "plan.json").write_text(plan.dumped())
        return subprocess.Popen(
            [sys.executable, "-m", "lathe_worker.main"],
            env={
                "PATH": os.defpath,
                "LATHE_PLAN": str(self.path / "plan.json"),
                "LATHE_WORKSPACE": str(workspace),
                "LATHE_TERMINATION_LOG": str(self.path / "log"),
                "LATHE_S3_AWS_ACCESS_KEY_ID": self.identity.access_key,
                "LATHE_S3_AWS_SECRET_ACCESS_KEY": self.identity.secret_key,
            },
            stderr=subprocess.PIPE,
        )

    def end(self, process: "subprocess.Popen[bytes]") -> Outcome:
        """Wait for a pod's end, and read its last word."""
        _, printed = process.communicate(timeout=SECONDS)
        said = (self.path / "log").read_text()
        outcome = Outcome.model_validate_json(said)
        assert len(said.encode()) <= LIMIT
        assert process.returncode == outcome.exit_code, printed
        assert b"Traceback" not in printed
        return outcome

    def run(self, resource: ResourceBuilder) -> Outcome:
        return self.end(self.start(resource))

    def keys(self) -> set[str]:
        """Every object of the output."""
        with self.server.client() as client:
            found = client.list_objects_v2(Bucket="artifacts", Prefix=self.prefix)
        return {it["Key"].removeprefix(self.prefix) for it in found.get("Contents", [])}

    def published(self) -> set[str]:
        return {key for key in self.keys() if not key.startswith(".steps/")}

    def read(self, key: str, to: Path) -> Path:
        with self.server.client() as client:
            client.download_file("artifacts", f"{self.prefix}{key}", str(to))
        return to

    def manifest(self) -> dict[str, Any]:
        (key,) = (key for key in self.keys() if key.endswith("manifest.json"))
        document: dict[str, Any] = json.loads(self.read(key, self.path / "manifest").read_bytes())
        return document

    def finished_steps(self) -> int:
        return sum(key.endswith("/step.json") for key in self.keys())


@pytest.fixture
def pod(s3: S3Server, tmp_path: Path) -> Pod:
    return Pod(s3, tmp_path)


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return holds()


def test_a_pod_publishes_what_its_manifest_says_and_the_next_one_finds_it(pod: Pod) -> None:
    outcome = pod.run(SHORT)

    folder = f"{outcome.run_key}"[:16]
    assert (outcome.exit_code, outcome.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)
    assert pod.published() == {
        f"{folder}/{name}"
        for name in ("onnx/model.onnx", "report.json", "report.html", "manifest.json")
    }
    (artifact,) = pod.manifest()["artifacts"]
    fetched = pod.read(f"{folder}/onnx/model.onnx", pod.path / "model.onnx")
    assert digest_of(fetched) == artifact["digest"]

    again = pod.run(SHORT)

    assert again == outcome.model_copy(update={"cache": "Hit", "cache_source": "team/digits"})


def test_a_killed_pods_finished_steps_are_taken_up_by_the_next(pod: Pod) -> None:
    first = pod.start(LONG)
    assert eventually(lambda: pod.finished_steps() >= 2)
    first.kill()
    first.communicate()
    assert pod.published() == set()
    finished = pod.finished_steps()

    outcome = pod.run(LONG)

    assert outcome.exit_code == ExitCode.OK
    caches = [step.cache for step in outcome.steps]
    assert caches == ["Hit"] * finished + ["Miss"] * (len(caches) - finished)
    assert 2 <= finished < len(caches)


def test_a_pod_that_is_told_to_end_says_so_promptly(pod: Pod) -> None:
    process = pod.start(LONG)
    assert eventually(lambda: pod.finished_steps() >= 1)
    start = time.monotonic()

    process.send_signal(signal.SIGTERM)
    outcome = pod.end(process)

    assert time.monotonic() - start < 10
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (
        ExitCode.TRANSIENT,
        Reason.INTERRUPTED,
    )
    assert pod.published() == set()


ENDS: dict[str, tuple[Reason, str, dict[str, Any]]] = {
    "a model that was cut off": (
        Reason.INVALID_MODEL,
        "s3://models/cut/model.onnx",
        {"model": {**ONNX, "uri": "s3://models/cut/model.onnx"}},
    ),
    "a model that is not there": (
        Reason.OBJECT_NOT_FOUND,
        "s3://models/none.onnx",
        {"model": {**ONNX, "uri": "s3://models/none.onnx"}},
    ),
    "weights of another architecture": (
        Reason.SHAPE_MISMATCH,
        "s3://models/torch/model.safetensors",
        {"model": {**TORCH, "architecture": {"ref": "lathe.small_cnn", "args": {"width": 16}}}},
    ),
}


@pytest.mark.parametrize(("reason", "named", "changes"), ENDS.values(), ids=ENDS.keys())
def test_bad_input_is_told_in_a_line_that_names_it(
    reason: Reason, named: str, changes: dict[str, Any], pod: Pod
) -> None:
    outcome = pod.run(SHORT.with_(**changes, steps=None))

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (ExitCode.BAD_INPUT, reason)
    assert named in outcome.failure.message
    assert pod.published() == set()


def test_credentials_that_may_nothing_are_bad_input_too(s3: S3Server, tmp_path: Path) -> None:
    outcome = Pod(s3, tmp_path, NOBODY).run(SHORT)

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (
        ExitCode.BAD_INPUT,
        Reason.ACCESS_DENIED,
    )
