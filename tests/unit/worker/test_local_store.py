"""A folder keeps what a store promises, and nothing outside of it is an object."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lathe_steps.errors import BadInput, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.local_store import LocalStore
from tests.conformance.store import StoreConformance, files_in
from tests.conformance.swapping import SwapConformance


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


class TestLocalStore(StoreConformance, SwapConformance):
    @pytest.fixture
    def store(self, root: Path) -> LocalStore:
        return LocalStore(root)

    @pytest.fixture
    def space(self) -> str:
        return "s3://models/space/"


def test_an_object_is_a_file_below_the_root(root: Path) -> None:
    LocalStore(root).write_bytes("s3://models/resnet18/model.onnx", b"bytes")

    assert files_in(root) == {"models/resnet18/model.onnx"}
    assert (root / "models/resnet18/model.onnx").read_bytes() == b"bytes"


def test_files_that_the_user_put_there_are_objects(root: Path) -> None:
    (root / "models").mkdir()
    (root / "models" / "model.onnx").write_bytes(b"bytes")
    (root / "models" / "link.onnx").symlink_to(root / "models" / "model.onnx")

    found = LocalStore(root).list("s3://models/")

    assert [(one.name, one.size) for one in found] == [("link.onnx", 5), ("model.onnx", 5)]


def test_a_file_that_is_rewritten_in_place_is_another_version(root: Path, tmp_path: Path) -> None:
    store = LocalStore(root)
    old = store.write_bytes("s3://models/a", b"old")
    path = root / "models" / "a"
    path.write_bytes(b"new")
    os.utime(path, ns=(1, 1))

    with pytest.raises(Transient) as stopped:
        store.download(old, tmp_path / "a")

    assert stopped.value.reason is Reason.OBJECT_CHANGED


def test_a_download_starts_once_more_when_the_file_is_rewritten_meanwhile(
    root: Path, tmp_path: Path
) -> None:
    store = LocalStore(root)
    store.write_bytes("s3://models/a", b"old")
    news = iter([b"newer"])

    def rewrite(_: int) -> None:
        for data in news:
            (root / "models" / "a").write_bytes(data)

    down = store.download("s3://models/a", tmp_path / "a", progress=rewrite)

    assert (tmp_path / "a").read_bytes() == b"newer"
    assert down.object == store.stat("s3://models/a")


def _link(root: Path, name: str, target: Path) -> None:
    (root / "models").mkdir(exist_ok=True)
    (root / "models" / name).symlink_to(target)


@pytest.mark.parametrize(
    ("arrange", "ask"),
    [
        pytest.param(
            lambda root, outside: _link(root, "a", outside / "secret"),
            lambda store: store.read_bytes("s3://models/a", limit=99),
            id="a link to a file outside, read",
        ),
        pytest.param(
            lambda root, outside: _link(root, "a", outside / "secret"),
            lambda store: store.list("s3://models/"),
            id="a link to a file outside, listed",
        ),
        pytest.param(
            lambda root, outside: _link(root, "folder", outside),
            lambda store: store.stat("s3://models/folder/secret"),
            id="a link to a folder outside, looked into",
        ),
        pytest.param(
            lambda root, outside: _link(root, "folder", outside),
            lambda store: store.list("s3://models/"),
            id="a link to a folder outside, listed from above",
        ),
        pytest.param(
            lambda root, outside: _link(root, "folder", outside),
            lambda store: store.list("s3://models/folder/"),
            id="a link to a folder outside, listed",
        ),
        pytest.param(
            lambda root, outside: _link(root, "folder", outside),
            lambda store: store.write_bytes("s3://models/folder/new", b""),
            id="a link to a folder outside, written into",
        ),
        pytest.param(
            lambda root, outside: (root / "models").symlink_to(outside),
            lambda store: store.list("s3://models/"),
            id="a bucket that is a link outside, listed",
        ),
        pytest.param(
            lambda root, outside: (root / "models").symlink_to(outside),
            lambda store: store.write_bytes("s3://models/new", b""),
            id="a bucket that is a link outside, written into",
        ),
    ],
)
def test_links_lead_nowhere_outside(
    arrange: Callable[[Path, Path], None],
    ask: Callable[[LocalStore], object],
    root: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    arrange(root, tmp_path)

    with pytest.raises(BadInput) as stopped:
        ask(LocalStore(root))

    assert stopped.value.reason is Reason.ACCESS_DENIED
    assert files_in(tmp_path) == {"secret"}


@pytest.mark.parametrize(
    "arrange",
    [
        pytest.param(lambda path: path.symlink_to(path), id="a link to itself"),
        pytest.param(lambda path: path.symlink_to("nothing"), id="a link to nothing"),
        pytest.param(lambda path: path.mkdir(), id="a folder"),
        pytest.param(os.mkfifo, id="a pipe"),
    ],
)
def test_what_is_no_file_is_no_object(arrange: Callable[[Path], None], root: Path) -> None:
    (root / "models").mkdir()
    arrange(root / "models" / "a")

    with pytest.raises(BadInput) as stopped:
        LocalStore(root).stat("s3://models/a")

    assert stopped.value.reason is Reason.OBJECT_NOT_FOUND


def test_the_file_of_one_object_cannot_be_the_folder_of_another(root: Path) -> None:
    store = LocalStore(root)
    store.write_bytes("s3://models/a", b"")

    with pytest.raises(Stopped):
        store.write_bytes("s3://models/a/b", b"")

    assert files_in(root) == {"models/a"}
