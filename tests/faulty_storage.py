"""What the tests of storage's faults share: an object, a store in a hurry, and how things end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from lathe_steps.errors import Stopped
from lathe_steps.reasons import Reason
from lathe_worker.patience import Patience
from lathe_worker.s3.settings import Keys, S3Settings
from tests.conformance.store import MIB, bytes_of
from tests.fault_server import Refuse

URI: Final = "s3://models/model.onnx"
KEY: Final = "models/model.onnx"
SIZE: Final = 20 * MIB + 3
PARTS: Final = 3
DATA: Final = bytes_of(SIZE)
OTHER: Final = bytes_of(SIZE, seed=1)
SLOW_DOWN: Final = Refuse(503, "SlowDown")
BUSY: Final = Refuse(503, "ServiceUnavailable")
BROKEN: Final = Refuse(500, "InternalError")


def hurried(endpoint: str, *, patience: float = 20.0, ca: Path | None = None) -> S3Settings:
    """Settings whose pauses are short: only an outage that lasts takes all of the patience."""
    impatient = Patience(patience, first_pause=0.01, longest_pause=0.05)
    return S3Settings(
        endpoint=endpoint,
        credentials=Keys("key", "secret"),
        ca_bundle=ca,
        connections=4,
        upload_attempts=4,
        connect_timeout=5.0,
        read_timeout=5.0,
        patience=impatient,
        first_patience=impatient,
    )


@contextmanager
def stops(kind: type[Stopped], reason: Reason, *names: str) -> Iterator[None]:
    """The block ends with this class and reason, and one line that names what is concerned."""
    with pytest.raises(kind) as stopped:
        yield
    assert type(stopped.value) is kind
    assert stopped.value.reason is reason
    assert [name for name in names if name not in stopped.value.message] == []
    assert "\n" not in stopped.value.message
