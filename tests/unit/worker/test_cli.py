"""The command line: exit codes, one line for each fault, and documents for programs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lathe_api.outcome import Outcome
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker import cli
from tests.architecture.test_laws import TOOLCHAINS
from tests.builders import (
    EXPORT,
    FUSE,
    PRUNE,
    QUANTIZE,
    TORCH_MODEL,
    Document,
    ResourceBuilder,
    a_profile,
    a_resource,
    refers_to,
)

LATHE = Path(sys.executable).with_name("lathe")
EXAMPLE = Path(__file__).parents[3] / "examples" / "quickstart.yaml"


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        return self.err.splitlines()


class Shell:
    """Types commands into this process, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        self._monkeypatch.setattr(sys, "argv", ["lathe", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), printed.out, printed.err)

    def write(self, resource: ResourceBuilder, *more: Any) -> str:
        (self.folder / "digits.yaml").write_text(yaml.safe_dump_all([resource.document(), *more]))
        return "digits.yaml"

    def run(self, resource: ResourceBuilder, *arguments: str) -> Said:
        (self.folder / "storage").mkdir(exist_ok=True)
        file = self.write(resource)
        where = ("--storage", "storage", "--workspace", "workspace")
        return self("run", file, *where, *arguments)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield Shell(tmp_path, monkeypatch, capsys)
    signal.signal(signal.SIGTERM, handler)


def test_a_plan_says_what_would_run_and_what_was_added(shell: Shell) -> None:
    said = shell("plan", shell.write(a_resource().steps(PRUNE)))

    assert (said.code, said.err) == (0, "")
    assert "prune" in said.out
    assert "export (added" in " ".join(said.out.split())


def test_a_plan_for_programs_is_one_document(shell: Shell) -> None:
    said = shell("plan", shell.write(a_resource().steps(PRUNE)), "--output", "json")

    assert [next(iter(set(step) - {"name"})) for step in json.loads(said.out)["steps"]] == [
        "prune",
        "export",
    ]


def test_other_objects_in_the_file_are_for_the_cluster(shell: Shell) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-credentials"}}

    said = shell("plan", shell.write(a_resource(), secret))

    assert said.code == 0
    assert "Secret/s3-credentials" in said.err


BY_PROFILE = a_resource().with_(profileRef=refers_to())
OLD = {"message": "it is old", "replacedBy": "smaller"}


def test_a_profile_in_the_same_file_gives_its_steps(shell: Shell) -> None:
    said = shell("plan", shell.write(BY_PROFILE, a_profile(steps=[FUSE])))

    assert (said.code, said.err) == (0, "")
    assert "fuse" in said.out


def test_a_profile_in_a_file_of_its_own_gives_its_steps(shell: Shell) -> None:
    others = [a_profile("another", steps=[PRUNE]), a_profile(steps=[FUSE], deprecated=OLD)]
    (shell.folder / "profiles.yaml").write_text(yaml.safe_dump_all(others))

    said = shell("plan", shell.write(BY_PROFILE), "--profile", "profiles.yaml")

    assert said.code == 0
    assert "fuse" in said.out
    assert "deprecated: it is old; use smaller" in said.err


WITHOUT: dict[str, tuple[list[Document], str]] = {
    "nowhere": ([], "spec.profileRef: there is no OptimizationProfile/small"),
    "of another kind": (
        [a_profile(kind="ClusterOptimizationProfile")],
        "spec.profileRef: there is no OptimizationProfile/small",
    ),
    "with a misspelt step": (
        [a_profile(steps=[{"prnue": {}}])],
        "OptimizationProfile/small.spec.steps[0].prnue: there is no such field",
    ),
    "without a spec": (
        [{key: value for key, value in a_profile().items() if key != "spec"}],
        "OptimizationProfile/small.spec: is missing",
    ),
    "with a chain that is broken": (
        [a_profile(steps=[PRUNE, QUANTIZE])],
        "spec.steps is taken from OptimizationProfile/small",
    ),
    "with gates but no data set": (
        [a_profile(evaluation={"metrics": ["SizeBytes"]})],
        "spec.evaluation.dataset: is missing (spec.evaluation is taken from",
    ),
}


@pytest.mark.parametrize(("documents", "told"), WITHOUT.values(), ids=WITHOUT)
def test_a_profile_that_gives_nothing_that_can_be_run_is_named(
    shell: Shell, documents: list[Document], told: str
) -> None:
    said = shell("plan", shell.write(BY_PROFILE, *documents))

    assert said.code == ExitCode.INVALID_SPEC
    assert told in said.err


def _text(content: str | bytes) -> Any:
    def write(folder: Path) -> str:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / "digits.yaml").write_bytes(data)
        return "digits.yaml"

    return write


def _resource(resource: ResourceBuilder) -> Any:
    return _text(yaml.safe_dump(resource.document()))


UNUSABLE = {
    "a file that is not there": lambda _: "digits.yaml",
    "a folder": str,
    "an empty file": _text(""),
    "a file that is no text": _text(b"\x80\x81\x00\xff" * 10),
    "a file that is no YAML": _text("spec: [unclosed\nmodel: {"),
    "YAML that is no mapping": _text("- 1\n- 2\n"),
    "a key that comes twice": _text("kind: ModelOptimization\nkind: ModelOptimization\n"),
    "YAML that makes objects": _text("!!python/object/apply:os.system ['true']"),
    "brackets without end": _text("[" * 5000),
    "another kind": _text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"),
    "two resources": _text(
        yaml.safe_dump_all([a_resource().document(), a_resource().named("other").document()])
    ),
    "a misspelt field": _resource(a_resource().with_(stepz=[])),
    "a chain that is broken": _resource(a_resource().steps(PRUNE, QUANTIZE)),
    "a data set that no one declares": _resource(
        a_resource().steps({"distill": {"dataset": "trian"}})
    ),
}


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_run_gets_one_line_that_names_it(
    make: Any, command: str, shell: Shell
) -> None:
    file = make(shell.folder)

    said = shell(command, file)

    assert (said.code, said.out) == (20, "")
    assert len([line for line in said.faults if line.startswith(file)]) == len(said.faults) == 1


def test_the_line_names_the_place_in_the_spec_and_what_to_do(shell: Shell) -> None:
    said = shell("run", shell.write(a_resource().steps(PRUNE, QUANTIZE)))

    assert said.faults == [
        (
            "digits.yaml: spec.steps[1].quantize: reads ONNX but steps[0].prune gives Torch: "
            "put an export step between them"
        )
    ]


def test_every_fault_gets_its_line(shell: Shell) -> None:
    said = shell("plan", shell.write(a_resource().with_(stepz=[], run={"backoffLimit": -1})))

    assert len(said.faults) == 2


def test_a_program_gets_an_outcome_for_a_file_that_cannot_be_run(shell: Shell) -> None:
    said = shell("run", shell.write(a_resource().with_(stepz=[])), "--output", "json")

    outcome = Outcome.model_validate_json(said.out)
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (20, Reason.INVALID_SPEC)


def test_a_model_that_is_not_there_is_bad_input(shell: Shell) -> None:
    said = shell.run(a_resource(), "--output", "json")

    outcome = Outcome.model_validate_json(said.out)
    assert said.code == outcome.exit_code == 30
    assert "s3://models/" in said.faults[-1]


def test_a_storage_that_is_not_there_is_not_made(shell: Shell) -> None:
    said = shell("run", shell.write(a_resource()), "--storage", "nowhere", "--workspace", "w")

    assert (said.code, len(said.faults)) == (30, 1)
    assert not (shell.folder / "nowhere").exists()


def test_a_workspace_that_cannot_be_made_is_told(shell: Shell) -> None:
    (shell.folder / "file").touch()

    said = shell("run", shell.write(a_resource()), "--storage", ".", "--workspace", "file/w")

    assert (said.code, len(said.faults)) == (50, 1)


def test_torch_files_are_read_only_when_they_are_allowed(shell: Shell) -> None:
    resource = a_resource().with_(model={**TORCH_MODEL, "format": "StateDict"})

    refused, allowed = shell.run(resource), shell.run(resource, "--allow-state-dict")

    assert (refused.code, allowed.code) == (20, 30)


@pytest.mark.parametrize("arguments", [(), ("go",), ("run",), ("run", "a", "--threads", "0")])
def test_a_command_that_is_none_is_explained(arguments: tuple[str, ...], shell: Shell) -> None:
    said = shell(*arguments)

    assert said.code == 2
    assert said.err.startswith("usage: lathe")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("run", "--help")], ids=" ".join
)
def test_help_is_given(arguments: tuple[str, ...], shell: Shell) -> None:
    said = shell(*arguments)

    assert (said.code, said.err) == (0, "")
    assert "lathe" in said.out


def test_a_plan_needs_no_toolchain_and_no_second() -> None:
    code = (
        f"import sys\nfor name in {(*TOOLCHAINS, 'rich')!r}: sys.modules[name] = None\n"
        f"sys.argv = ['lathe', 'plan', {str(EXAMPLE)!r}]\n"
        "import lathe_worker.cli\nlathe_worker.cli.main()"
    )
    before = time.process_time()

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert time.process_time() - before < 1


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{LATHE} plan {EXAMPLE} --output json | head -c 1"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_keeps_its_promises() -> None:
    document = yaml.safe_load(EXAMPLE.read_text())

    kinds = [next(iter(set(step) - {"name"})) for step in document["spec"]["steps"]]
    targets = {target["name"]: target["runtime"] for target in document["spec"]["targets"]}
    assert kinds == ["prune", "distill", "fuse", "export"]
    assert targets == {"cpu": "ONNXRuntime", "rtx": "TensorRTRTX"}


def test_an_export_that_was_asked_for_is_not_called_added(shell: Shell) -> None:
    said = shell("plan", shell.write(a_resource().steps(PRUNE, EXPORT)))

    assert "added" not in said.out
