"""A real S3 server for the tests of the store, started once for the session."""

from collections.abc import Iterator

import pytest

from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    """SeaweedFS with the bucket `models`; tests share it, each below a prefix of its own."""
    with s3_server(["models"]) as running:
        yield running
