"""A child process may do what it likes: its parent learns how it ended, and nothing is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lathe_steps.errors import BadInput, Internal, Stopped
from lathe_steps.reasons import Reason
from lathe_worker.apart import Died
from lathe_worker.sandbox import Child, TookTooLong, scrubbed

ROOT = Path(__file__).parents[3]
ROGUE = ["-m", "tests.rogue_child"]
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "x",
    "LATHE_S3_AWS_SECRET_ACCESS_KEY": "x",
    "KUBERNETES_SERVICE_HOST": "x",
    "SOME_TOKEN": "x",
}


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    started = start(tmp_path)
    yield started
    started.kill()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A child for tests that leave it alive."""
    started = start(tmp_path_factory.mktemp("steady"))
    yield started
    started.kill()


def start(home: Path, output: Path | None = None) -> Child:
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": os.defpath, **SECRETS}
    return Child(ROGUE, home=home, environment=environment, output=output)


def ask(child: Child, act: str, **said: Any) -> Any:
    return json.loads(child.ask(json.dumps({"act": act, **said}), timeout=60))


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody reaps has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def test_it_answers_one_request_after_the_other(steady: Child) -> None:
    assert [ask(steady, "echo", n=n)["n"] for n in range(3)] == [0, 1, 2]


def test_what_toolchains_print_does_not_disturb_the_answers(tmp_path: Path) -> None:
    output = tmp_path / "output"
    child = start(tmp_path, output)

    assert (ask(child, "chat"), ask(child, "echo")) == (None, {"act": "echo"})

    child.kill()
    assert "a toolchain's child prints" in output.read_text()


def test_progress_arrives_but_not_too_often(steady: Child) -> None:
    told: list[tuple[float, str]] = []

    steady.ask(json.dumps({"act": "count"}), progress=lambda *it: told.append(it), timeout=60)

    assert told[0] == (0.0, "0 of 1000")
    assert len(told) < 500


def test_what_stops_it_is_what_stops_its_parent(steady: Child) -> None:
    with pytest.raises(BadInput) as stopped:
        ask(steady, "stop")

    assert (stopped.value.reason, stopped.value.message) == (Reason.UNSAFE_MODEL, "it is bad")
    assert ask(steady, "echo") == {"act": "echo"}


@pytest.mark.parametrize(
    ("reason", "act"),
    [
        pytest.param(Reason.INTERNAL_ERROR, "fail", id="an exception is one line"),
        pytest.param(Reason.OUT_OF_MEMORY, "exhaust", id="no memory is no memory"),
    ],
)
def test_exceptions_become_errors(reason: Reason, act: str, steady: Child) -> None:
    with pytest.raises(Internal) as stopped:
        ask(steady, act)

    assert stopped.value.reason is reason
    assert "second line" not in stopped.value.message


@pytest.mark.parametrize(
    ("code", "act", "said"),
    [
        pytest.param(-signal.SIGSEGV, "die", {"signal": signal.SIGSEGV}, id="a crash"),
        pytest.param(-signal.SIGKILL, "die", {"signal": signal.SIGKILL}, id="the kernel's killer"),
        pytest.param(3, "leave", {"code": 3}, id="an exit"),
        pytest.param(0, "leave", {"code": 0}, id="an exit that pretends to be good"),
    ],
)
def test_its_death_is_told_by_its_exit_code(
    code: int, act: str, said: dict[str, Any], child: Child
) -> None:
    with pytest.raises(Died) as died:
        ask(child, act, **said)

    assert died.value.returncode == code
    with pytest.raises(Died):
        ask(child, "echo")


def test_it_is_killed_when_it_takes_too_long(child: Child) -> None:
    with pytest.raises(TookTooLong):
        child.ask(json.dumps({"act": "hang"}), timeout=0.5)


def test_it_is_killed_when_it_does_not_keep_to_the_protocol(child: Child) -> None:
    with pytest.raises(Died):
        ask(child, "forge")


def test_what_it_started_ends_with_it(child: Child, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child.ask(json.dumps({"act": "spawn", "file": str(tmp_path / "pid")}), progress=interrupt)

    child.kill()

    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent is killed in the middle of a request."""
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.worker.test_sandbox import start\n"
        "home = Path(sys.argv[1])\n"
        "start(home).ask(json.dumps({'act': 'spawn', 'file': str(home / 'pid')}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT) as parent:
        assert eventually(
            lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").stat().st_size > 0
        )
        parent.kill()

    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_it_sees_no_credentials_and_lives_in_its_own_directory(
    child: Child, tmp_path: Path
) -> None:
    seen = ask(child, "environment")

    assert not SECRETS.keys() & seen.keys()
    assert (seen["HOME"], seen["TMPDIR"], seen["OMP_NUM_THREADS"]) == (
        str(tmp_path),
        str(tmp_path),
        "1",
    )


def test_it_imports_nothing_from_its_directory(child: Child, tmp_path: Path) -> None:
    where, first = ask(child, "where")

    assert where == str(tmp_path)
    assert first not in {"", where}


@pytest.mark.parametrize("name", SECRETS)
def test_scrubbing_keeps_no(name: str) -> None:
    assert scrubbed({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


class TestApart:
    """What a child does in a process of its own cannot harm the child."""

    @pytest.mark.parametrize(
        ("expected", "act"),
        [
            pytest.param(Reason.UNSAFE_MODEL, {"act": "stop"}, id="an error comes back"),
            pytest.param(Reason.OUT_OF_MEMORY, {"act": "eat"}, id="memory has a limit"),
        ],
    )
    def test_errors_come_back(self, expected: Reason, act: dict[str, Any], steady: Child) -> None:
        with pytest.raises(Stopped) as stopped:
            ask(steady, "fork", do=act)

        assert stopped.value.reason is expected
        assert ask(steady, "echo") == {"act": "echo"}

    @pytest.mark.parametrize(
        "act",
        [
            pytest.param({"act": "die", "signal": signal.SIGSEGV}, id="a crash"),
            pytest.param({"act": "burn"}, id="time has a limit"),
            pytest.param({"act": "leave", "code": 0}, id="an exit without an answer"),
        ],
    )
    def test_a_death_is_an_error_of_the_child_not_its_end(
        self, act: dict[str, Any], steady: Child
    ) -> None:
        with pytest.raises(Internal):
            ask(steady, "fork", do=act)

        assert ask(steady, "echo") == {"act": "echo"}

    def test_files_have_a_limit(self, steady: Child, tmp_path: Path) -> None:
        with pytest.raises(Internal):
            ask(steady, "fork", do={"act": "write", "file": str(tmp_path / "large")})

        assert (tmp_path / "large").stat().st_size <= 1024**2

    def test_it_cannot_answer_in_the_childs_place(self, child: Child) -> None:
        with pytest.raises(TookTooLong):
            child.ask(json.dumps({"act": "fork", "do": {"act": "forge"}}), timeout=1)

    def test_its_answer_comes_back(self, steady: Child) -> None:
        assert ask(steady, "fork", do={"act": "echo", "n": 1}) == {"act": "echo", "n": 1}


def test_what_a_child_saves_is_told_before_its_answer(steady: Child, tmp_path: Path) -> None:
    kept: list[Path] = []

    steady.ask(json.dumps({"act": "save", "folder": str(tmp_path)}), keep=kept.append)

    assert kept == [tmp_path]
