"""Whatever goes wrong is one of the ways a run can end, in one line."""

import errno
import signal

import pytest

from lathe_steps.errors import BadInput, Internal, InvalidSpec, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.errors import classify, crashed_on, died
from lathe_worker.wire import failure_of, stopped_of

URI = "s3://models/m.onnx"


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


OURS = BadInput("it is bad", reason=Reason.UNSAFE_MODEL)
EXCEPTIONS: dict[str, tuple[type[Stopped], Reason, BaseException]] = {
    "what Lathe says itself": (BadInput, Reason.UNSAFE_MODEL, OURS),
    "an interruption": (Transient, Reason.INTERRUPTED, KeyboardInterrupt()),
    "no memory": (Internal, Reason.OUT_OF_MEMORY, MemoryError()),
    "no memory on the GPU": (Internal, Reason.OUT_OF_MEMORY, OutOfMemoryError("CUDA")),
    "a full disk": (Transient, Reason.DISK_FULL, OSError(errno.ENOSPC, "no", "/workspace/a")),
    "a full quota": (Transient, Reason.DISK_FULL, OSError(errno.EDQUOT, "no", "/workspace/a")),
    "another error of the system": (Internal, Reason.INTERNAL_ERROR, OSError(errno.EIO, "no")),
    "a mistake of ours": (Internal, Reason.INTERNAL_ERROR, KeyError("a\nb")),
}


@pytest.mark.parametrize(("kind", "reason", "error"), EXCEPTIONS.values(), ids=EXCEPTIONS.keys())
def test_an_exception_becomes(kind: type[Stopped], reason: Reason, error: BaseException) -> None:
    stopped = classify(error)

    assert (type(stopped), stopped.reason) == (kind, reason)
    assert "\n" not in stopped.message


def test_a_full_disk_names_the_file() -> None:
    assert "/workspace/a" in classify(OSError(errno.ENOSPC, "no", "/workspace/a")).message


@pytest.mark.parametrize(
    ("reason", "named", "returncode"),
    [
        (Reason.OUT_OF_MEMORY, "step halve", -signal.SIGKILL),
        (Reason.STEP_FAILED, "SIGSEGV", -signal.SIGSEGV),
        (Reason.STEP_FAILED, "signal 63", -63),
        (Reason.STEP_FAILED, "exit code 3", 3),
    ],
)
def test_a_child_that_died_in_a_step_is_internal_and_says_how(
    reason: Reason, named: str, returncode: int
) -> None:
    stopped = died(returncode, "step halve")

    assert (type(stopped), stopped.reason) == (Internal, reason)
    assert named in stopped.message
    assert "step halve" in stopped.message


@pytest.mark.parametrize(
    ("kind", "reason", "returncode"),
    [
        pytest.param(BadInput, Reason.INVALID_MODEL, -signal.SIGSEGV, id="a crash blames it"),
        pytest.param(BadInput, Reason.INVALID_MODEL, -signal.SIGXCPU, id="endless work too"),
        pytest.param(BadInput, Reason.INVALID_MODEL, 1, id="and an exit"),
        pytest.param(Internal, Reason.OUT_OF_MEMORY, -signal.SIGKILL, id="the kernel does not"),
    ],
)
def test_a_child_that_died_on_what_it_read(
    kind: type[Stopped], reason: Reason, returncode: int
) -> None:
    stopped = crashed_on(returncode, URI, Reason.INVALID_MODEL)

    assert (type(stopped), stopped.reason) == (kind, reason)
    assert URI in stopped.message


@pytest.mark.parametrize("kind", [InvalidSpec, BadInput, Transient, Internal])
def test_an_error_survives_the_way_to_the_parent(kind: type[Stopped]) -> None:
    sent = kind("a line", reason=Reason.SHAPE_MISMATCH)

    received = stopped_of(failure_of(sent))

    assert (type(received), received.reason, received.message) == (
        kind,
        Reason.SHAPE_MISMATCH,
        "a line",
    )
