"""s3:// is a folder when one is given, and S3 as the resource says otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest

from lathe_api.v1alpha1.storage import Storage
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.local_store import LocalStore
from lathe_worker.s3.store import S3Store
from lathe_worker.storage import open_store


def test_a_folder_stands_for_s3_whatever_the_resource_says(tmp_path: Path) -> None:
    storage = Storage.model_validate({"s3": {"credentials": {"secretRef": {"name": "s3"}}}})

    with open_store(storage, {}, root=tmp_path) as store:
        store.write_bytes("s3://models/a", b"here")

    assert isinstance(store, LocalStore)
    assert (tmp_path / "models" / "a").read_bytes() == b"here"


def test_without_a_folder_it_is_s3() -> None:
    with open_store(Storage(), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}) as store:
        assert isinstance(store, S3Store)


def test_what_is_wrong_is_known_before_anything_is_asked() -> None:
    with (
        pytest.raises(BadInput) as stopped,
        open_store(Storage(), {"LATHE_S3_nonsense": "x"}),
    ):
        pass

    assert stopped.value.reason is Reason.ACCESS_DENIED


def test_a_folder_needs_no_boto3(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "sys.modules['boto3'] = sys.modules['botocore'] = None\n"
        "from lathe_api.v1alpha1.storage import Storage\n"
        "from lathe_worker.storage import open_store\n"
        "with open_store(Storage(), {}, root=Path(sys.argv[1])) as store:\n"
        "    store.write_bytes('s3://models/a', b'here')\n"
    )

    subprocess.run((sys.executable, "-c", program, str(tmp_path)), check=True)

    assert (tmp_path / "models" / "a").read_bytes() == b"here"
