"""Servers for the tests of the store: a real one for the session, one with faults for each test."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from lathe_worker.s3.store import S3Store
from tests.fault_server import FaultServer, fault_server
from tests.faulty_storage import DATA, KEY, hurried
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    """SeaweedFS with the bucket `models`; tests share it, each below a prefix of its own."""
    with s3_server(["models"]) as running:
        yield running


@pytest.fixture
def faulty() -> Iterator[FaultServer]:
    """A server that holds one object, and fails as it is told to."""
    with fault_server({KEY: DATA}) as running:
        yield running


@pytest.fixture
def store(faulty: FaultServer) -> Iterator[S3Store]:
    """A store in a hurry, at the faulty server."""
    with closing(S3Store(hurried(faulty.endpoint))) as opened:
        yield opened
