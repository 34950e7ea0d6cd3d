"""Programs that go on when the command that started them ends, and are found again by record.

A record is a JSON file that names the process by pid and start time, so a pid that the kernel
gave to another process since is never touched.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

GRACE_SECONDS = 10.0


class CommandError(RuntimeError):
    """A command ended with an error; the message holds the end of what it said."""


def run(*command: str | Path, stdin: str | None = None, cwd: Path | None = None) -> str:
    """Runs a command to its end; gives what it printed, or raises CommandError."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise CommandError(f"{' '.join(words)} ended with {done.returncode}: {said[-2000:]}")
    return done.stdout


class StartError(RuntimeError):
    """A program did not come up; the message names it, its log and the log's last lines."""


@dataclass(frozen=True)
class Record:
    """One process that was started as the leader of a process group of its own."""

    name: str
    pid: int
    started: int
    """Clock ticks from the machine's boot to the process's start."""
    log: str


def started_at(pid: int) -> int | None:
    """When the living process `pid` started, in clock ticks since boot; None if there is none."""
    with contextlib.suppress(ChildProcessError):
        # A child of ours that ended stays in the process table until it is asked how.
        os.waitpid(pid, os.WNOHANG)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold spaces and parentheses: fields count from behind its last one.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])


def _spawn(command: list[str], log: Path) -> int:
    # Not subprocess.Popen, whose objects complain about processes that outlive them.
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawnp(
        command[0],
        command,
        os.environ,  # noqa: TID251 - what this program inherited, it passes on
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE],
    )


def wait_until(
    condition: Callable[[], bool], what: str, *, seconds: float, every: float = 0.1
) -> None:
    """Polls until `condition()`; raises TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


class Processes:
    """The processes of one folder: `<folder>/run/<name>.json` and `<folder>/log/<name>.log`."""

    def __init__(self, folder: Path) -> None:
        self._records = folder / "run"
        self._logs = folder / "log"

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        namespace: str | None = None,
        tied: bool = False,
    ) -> Record:
        """Starts `command`, which the kernel ends together with this process when `tied`.

        Inside the network namespace `namespace` it is entered with nsenter: `ip netns exec`
        would remount /sys and hide the cgroups. A process of that name that lives is left alone.
        """
        if (record := self.find(name)) is not None:
            return record
        enter = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
        tie = ["setpriv", "--pdeathsig", "SIGKILL"] if tied else []
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        pid = _spawn([*enter, *tie, *map(str, command)], log)
        record = Record(name, pid, started_at(pid) or 0, str(log))
        self._path(name).write_text(json.dumps(asdict(record)), "utf-8")
        return record

    def find(self, name: str) -> Record | None:
        """The record of `name` if that very process lives."""
        try:
            record = Record(**json.loads(self._path(name).read_text("utf-8")))
        except FileNotFoundError:
            return None
        return record if started_at(record.pid) == record.started else None

    def names(self) -> list[str]:
        """Every name with a record, alive or not."""
        return sorted(path.stem for path in self._records.glob("*.json"))

    def await_ready(
        self, name: str, ready: Callable[[], bool], *, seconds: float = 180.0, every: float = 0.1
    ) -> None:
        """Polls until `ready()`; StartError with the log's end if `name` dies before or hangs."""

        def settled() -> bool:
            return self.find(name) is None or ready()

        try:
            wait_until(settled, name, seconds=seconds, every=every)
        except TimeoutError as error:
            raise StartError(f"{error}; {self._tail(name)}") from error
        if self.find(name) is None:
            raise StartError(f"{name} ended at once; {self._tail(name)}")

    def stop(self, name: str, *, grace: float = GRACE_SECONDS) -> None:
        """Ends the process group of `name`: SIGTERM, then SIGKILL after `grace` seconds."""
        for signal_number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, GRACE_SECONDS)):
            record = self.find(name)
            if record is None:
                break
            os.killpg(record.pid, signal_number)
            try:
                wait_until(lambda: self.find(name) is None, name, seconds=seconds, every=0.02)
            except TimeoutError:
                continue
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _tail(self, name: str) -> str:
        log = self._logs / f"{name}.log"
        lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
        return "\n".join([f"the end of {log}:", *lines[-15:]])
