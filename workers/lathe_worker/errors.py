"""What went wrong, as one of the ways a run can end: nothing else leaves the worker."""

import errno
import shutil
import signal
from pathlib import Path

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.status import Failure, StepStatus
from lathe_steps.errors import BadInput, Internal, Stopped, Transient
from lathe_steps.reasons import Reason

ALMOST_NOTHING = 64 * 1024
"""Free bytes below which a disk counts as full."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def classify(error: BaseException) -> Stopped:
    """Turn any exception into the error that the run ends with, and one line for the user.

    What Lathe raised itself stays as it is. The traceback is for the log.
    """
    match error:
        case Stopped():
            return error
        case KeyboardInterrupt():
            return Transient(
                "the run was interrupted; finished steps are kept, start it again to go on",
                reason=Reason.INTERRUPTED,
            )
        case MemoryError():
            return out_of_memory()
        case OSError() if error.errno in FULL:
            return disk_full(error.filename or "the workspace")
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
        return out_of_memory()
    return Internal(f"{type(error).__name__}: {first_line(error)}", reason=Reason.INTERNAL_ERROR)


def outcome_of(
    stopped: Stopped,
    *,
    step: str | None = None,
    run_key: str | None = None,
    steps: tuple[StepStatus, ...] = (),
) -> Outcome:
    """How a run ended that was stopped, and what was known by then."""
    code = stopped.exit_code
    return Outcome(
        run_key=run_key,
        exit_code=code,
        failure=Failure(
            step=step, reason=stopped.reason, exit_code=code.value, message=stopped.message
        ),
        steps=steps,
    )


def out_of_memory() -> Stopped:
    """More memory was needed than there is."""
    return Internal(
        "out of memory; raise worker.resources.limits.memory, or lower the step's batchSize",
        reason=Reason.OUT_OF_MEMORY,
    )


def disk_full(where: str | Path) -> Stopped:
    """A disk, or what the run may use of it, is full."""
    return Transient(
        f"no space left for {where}; free some, or raise worker.workspace.size",
        reason=Reason.DISK_FULL,
    )


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder is full: not every library says so when that is why it fails."""
    return shutil.disk_usage(folder).free < ALMOST_NOTHING


def died(returncode: int, doing: str) -> Stopped:
    """Say how a child process ended that should not have.

    Args:
        returncode: As subprocess gives it: negative for a signal.
        doing: What it was asked to do, such as "step halve".
    """
    if returncode == -signal.SIGKILL:
        stopped = out_of_memory()
        return Internal(f"{doing} was killed: {stopped.message}", reason=stopped.reason)
    if returncode < 0:
        return Internal(f"{doing} crashed with {signal_name(-returncode)}; the log says more")
    return Internal(f"{doing} ended with exit code {returncode}; the log says more")


def crashed_on(returncode: int, uri: str, reason: Reason) -> Stopped:
    """Say how a child process ended that was reading what nobody vouches for."""
    if returncode in {-signal.SIGKILL, 0}:
        return died(returncode, f"reading {uri}")
    how = f"exit code {returncode}" if returncode > 0 else signal_name(-returncode)
    return BadInput(f"{uri}: reading it ended with {how}; replace the object", reason=reason)


def signal_name(number: int) -> str:
    """SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def first_line(error: BaseException) -> str:
    """The first line that an exception says, for people."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
