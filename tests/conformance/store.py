"""What every store promises: one suite, for a folder in unit and for a real S3 in integration.

A subclass gives the fixtures `store` and `space`: an empty prefix, s3://bucket/…/, of the test's
own.
"""

import hashlib
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lathe_steps.errors import BadInput, InvalidSpec, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.store import Store, StoredObject

MIB = 1024 * 1024
ODD_NAMES = (
    "with space.bin",
    "plus+and%2Fpercent",
    "quote'and\"double",
    "question?and#hash",
    "ünï-code-模型.onnx",
    "a=b&c=d;e,f@g",
    ".hidden",
    "deep/er/and/deeper.txt",
)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def bytes_of(size: int, seed: int = 0) -> bytes:
    """Bytes that differ everywhere, so that a part in the wrong place is noticed."""
    block = hashlib.shake_256(seed.to_bytes(4, "big")).digest(min(size, 65_521))
    return (block * (size // max(len(block), 1) + 1))[:size]


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may become larger, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class StoreConformance:
    """The promises of `lathe_worker.store.Store`."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def space(self) -> str:
        raise NotImplementedError

    def test_what_is_removed_is_gone_and_nothing_else(self, store: Store, space: str) -> None:
        for name in ("one", "two/three", "twofold", ODD_NAMES[0]):
            store.write_bytes(f"{space}{name}", b"content")
        kept = store.stat(f"{space}twofold")

        for _ in range(2):
            store.remove([it for it in (*store.list(space), kept) if it.name != "twofold"])

        assert [one.name for one in store.list(space)] == ["twofold"]

    @pytest.mark.parametrize(
        "size",
        [
            pytest.param(0, id="an empty object"),
            pytest.param(1, id="one byte"),
            pytest.param(5 * MIB + 1, id="an object of one part"),
            pytest.param(8 * MIB, id="an object of exactly one part"),
            pytest.param(33 * MIB + 17, id="an object of several parts in both directions"),
        ],
    )
    def test_what_goes_up_comes_down(
        self, size: int, store: Store, space: str, tmp_path: Path
    ) -> None:
        data = bytes_of(size)
        here, back = tmp_path / "here", tmp_path / "new folder" / "back"
        here.write_bytes(data)

        up = store.upload(here, f"{space}model.onnx")
        down = store.download(up.object, back)

        assert (up.digest, up.path) == (sha256(data), here)
        assert (up.object.uri, up.object.name) == (f"{space}model.onnx", "model.onnx")
        assert up.object.size == size
        assert (down.object, down.path, down.digest) == (up.object, back, sha256(data))
        assert back.read_bytes() == data
        assert files_in(back.parent) == {"back"}

    def test_an_address_is_whatever_is_there_now(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        store.write_bytes(f"{space}a", b"old")
        new = store.write_bytes(f"{space}a", b"new")

        down = store.download(f"{space}a", tmp_path / "a")

        assert (down.object, down.digest) == (new, sha256(b"new"))
        assert (tmp_path / "a").read_bytes() == b"new"

    def test_a_version_that_is_gone_is_object_changed(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        old = store.write_bytes(f"{space}a", b"old!")
        store.write_bytes(f"{space}a", b"new!")

        with pytest.raises(Transient) as stopped:
            store.download(old, tmp_path / "a")

        assert stopped.value.reason is Reason.OBJECT_CHANGED
        assert files_in(tmp_path) == set()

    def test_listing_stat_and_upload_describe_one_version_alike(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        for name, size in {"big": 20 * MIB, "small": 5}.items():
            (tmp_path / name).write_bytes(bytes_of(size))
        uploaded = [one.object for one in store.upload_all(tmp_path, space)]

        assert [one.name for one in uploaded] == ["big", "small"]
        assert list(store.list(space)) == uploaded
        assert [store.stat(one.uri) for one in uploaded] == uploaded

    def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(
        self, store: Store, space: str
    ) -> None:
        for key in ("model-v1/b", "model-v1/a/x", "model-v10/other", "model-v1.onnx"):
            store.write_bytes(f"{space}{key}", key.encode())

        found = store.list(f"{space}model-v1/")

        assert [one.name for one in found] == ["a/x", "b"]
        assert [one.uri for one in found] == [f"{space}model-v1/a/x", f"{space}model-v1/b"]

    def test_empty_objects_are_objects(self, store: Store, space: str, tmp_path: Path) -> None:
        store.write_bytes(f"{space}m/weights.bin", b"")

        found = store.list(f"{space}m/")
        store.download_all(found, tmp_path)

        assert [(one.name, one.size) for one in found] == [("weights.bin", 0)]
        assert (tmp_path / "weights.bin").read_bytes() == b""

    def test_a_folder_goes_up_and_comes_down_whole(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        content = {f"part/{i:03d}.bin": bytes_of(1000 + i, i) for i in range(40)}
        content |= {"big.bin": bytes_of(17 * MIB), "empty": b""}
        for name, data in content.items():
            path = tmp_path / "here" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

        up = store.upload_all(tmp_path / "here", f"{space}folder/")
        down = store.download_all(store.list(f"{space}folder/"), tmp_path / "back")

        assert [one.object for one in down] == [one.object for one in up]
        assert [one.digest for one in down] == [one.digest for one in up]
        assert {one.object.name: one.digest for one in up} == {
            name: sha256(data) for name, data in content.items()
        }
        assert files_in(tmp_path / "back") == set(content)
        assert all((tmp_path / "back" / name).read_bytes() == content[name] for name in content)

    @pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in ODD_NAMES])
    def test_odd_names_are_names(self, name: str, store: Store, space: str, tmp_path: Path) -> None:
        data = name.encode()

        store.write_bytes(f"{space}{name}", data)
        (found,) = store.list(space)
        store.download_all([found], tmp_path)

        assert (found.uri, found.name) == (f"{space}{name}", name)
        assert store.read_bytes(f"{space}{name}", limit=1000) == data
        assert (tmp_path / name).read_bytes() == data

    def test_other_bytes_than_expected_are_a_digest_mismatch(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        store.write_bytes(f"{space}a", b"flipped")

        with pytest.raises(BadInput) as stopped:
            store.download(f"{space}a", tmp_path / "a", expect=sha256(b"as it was"))

        assert stopped.value.reason is Reason.DIGEST_MISMATCH
        assert sha256(b"flipped") in stopped.value.message
        assert sha256(b"as it was") in stopped.value.message
        assert files_in(tmp_path) == set()

    def test_the_expected_bytes_pass(self, store: Store, space: str, tmp_path: Path) -> None:
        store.write_bytes(f"{space}a", b"as it was")

        down = store.download(f"{space}a", tmp_path / "a", expect=sha256(b"as it was"))

        assert down.digest == sha256(b"as it was")

    def test_a_download_replaces_the_file_that_was_there(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        (tmp_path / "a").write_bytes(b"what was there, and longer")
        store.write_bytes(f"{space}a", b"new")

        store.download(f"{space}a", tmp_path / "a")

        assert (tmp_path / "a").read_bytes() == b"new"
        assert files_in(tmp_path) == {"a"}

    def test_progress_grows_to_the_size(self, store: Store, space: str, tmp_path: Path) -> None:
        for name, size in {"big": 20 * MIB, "small": 5, "empty": 0}.items():
            (tmp_path / name).write_bytes(bytes_of(size))
        up: list[int] = []
        down: list[int] = []

        store.upload_all(tmp_path, space, progress=up.append)
        store.download_all(store.list(space), tmp_path / "back", progress=down.append)

        assert up[-1] == down[-1] == 20 * MIB + 5
        assert down == sorted(down)

    def test_what_progress_raises_ends_the_download_without_a_trace(
        self, store: Store, space: str, tmp_path: Path
    ) -> None:
        store.write_bytes(f"{space}a", bytes_of(3 * MIB))

        def cancel(_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.download(f"{space}a", tmp_path / "a", progress=cancel)

        assert files_in(tmp_path) == set()

    def test_small_objects_are_read_within_a_limit(self, store: Store, space: str) -> None:
        written = store.write_bytes(f"{space}record.json", b"{}")

        assert written == store.stat(f"{space}record.json")
        assert store.read_bytes(f"{space}record.json", limit=2) == b"{}"
        with pytest.raises(BadInput) as stopped:
            store.read_bytes(f"{space}record.json", limit=1)
        assert stopped.value.reason is Reason.OBJECT_TOO_LARGE

    def test_what_exists_exists(self, store: Store, space: str) -> None:
        store.write_bytes(f"{space}folder/there", b"")

        assert store.exists(f"{space}folder/there")
        assert not store.exists(f"{space}folder/not-there")
        assert not store.exists(f"{space}folder")
        assert not store.exists("s3://no-such-bucket-anywhere/there")

    @pytest.mark.parametrize(
        ("reason", "ask"),
        [
            pytest.param(
                Reason.OBJECT_NOT_FOUND,
                lambda store, space, _: store.stat(f"{space}missing"),
                id="looking at what is not there",
            ),
            pytest.param(
                Reason.OBJECT_NOT_FOUND,
                lambda store, space, to: store.download(f"{space}missing", to),
                id="downloading what is not there",
            ),
            pytest.param(
                Reason.OBJECT_NOT_FOUND,
                lambda store, space, _: store.read_bytes(f"{space}missing", limit=9),
                id="reading what is not there",
            ),
            pytest.param(
                Reason.OBJECT_NOT_FOUND,
                lambda store, *_: store.stat("s3://no-such-bucket-anywhere/a"),
                id="looking into a bucket that is not there",
            ),
            pytest.param(
                Reason.OBJECT_NOT_FOUND,
                lambda store, *_: store.list("s3://no-such-bucket-anywhere/a/"),
                id="listing a bucket that is not there",
            ),
            pytest.param(
                Reason.EMPTY_PREFIX,
                lambda store, space, _: store.list(f"{space}nothing/"),
                id="listing a prefix without objects",
            ),
        ],
    )
    def test_what_is_not_there_is_a_bad_input_that_names_it(
        self,
        reason: Reason,
        ask: Callable[[Store, str, Path], object],
        store: Store,
        space: str,
        tmp_path: Path,
    ) -> None:
        store.write_bytes(f"{space}so that the bucket is there", b"")

        with pytest.raises(BadInput) as stopped:
            ask(store, space, tmp_path / "to")

        assert stopped.value.reason is reason
        assert "s3://" in stopped.value.message
        assert files_in(tmp_path) == set()

    @pytest.mark.parametrize(
        "ask",
        [
            pytest.param(lambda store, space: store.stat(space), id="a prefix for an object"),
            pytest.param(lambda store, space: store.list(f"{space}a"), id="an object for a prefix"),
            pytest.param(lambda store, _: store.stat("/etc/passwd"), id="a path"),
            pytest.param(lambda store, _: store.stat("s3://bucket"), id="a bucket"),
            pytest.param(lambda store, _: store.stat("s3://../etc/passwd"), id="a bucket of dots"),
            pytest.param(
                lambda store, space: store.stat(f"{space}../../../etc/passwd"), id="a way out"
            ),
            pytest.param(
                lambda store, space: store.write_bytes(f"{space}../../../tmp/x", b""),
                id="a way out to write",
            ),
            pytest.param(lambda store, space: store.list(f"{space}../"), id="a prefix of dots"),
            pytest.param(
                lambda store, space: store.stat(f"{space}/absolute"), id="an empty segment"
            ),
            pytest.param(lambda store, space: store.stat(f"{space}a\x00b"), id="a NUL"),
        ],
    )
    def test_what_is_no_address_is_an_invalid_spec(
        self, ask: Callable[[Store, str], object], store: Store, space: str
    ) -> None:
        with pytest.raises(InvalidSpec):
            ask(store, space)

    @pytest.mark.parametrize(
        "names",
        [
            pytest.param(["../../escaped"], id="a name that leaves the folder"),
            pytest.param(["/etc/passwd"], id="an absolute name"),
            pytest.param(["a", "a/b"], id="a file that is also a folder"),
            pytest.param(["a", "a"], id="the same name twice"),
            pytest.param(["x" * 300], id="a name that no file system takes"),
        ],
    )
    def test_objects_that_cannot_be_files_are_refused_before_any_byte(
        self, names: list[str], store: Store, space: str, tmp_path: Path
    ) -> None:
        real = store.write_bytes(f"{space}a", b"harmless")
        forged = [StoredObject(real.uri, name, real.size, real.etag) for name in names]

        with pytest.raises(BadInput) as stopped:
            store.download_all(forged, tmp_path / "into")

        assert stopped.value.reason is Reason.UNSAFE_OBJECT_NAME
        assert files_in(tmp_path) == set()

    def test_links_are_not_uploaded(self, store: Store, space: str, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "link").symlink_to("/etc/passwd")

        with pytest.raises(Stopped):
            store.upload_all(tmp_path / "folder", space)

        with pytest.raises(BadInput):
            store.list(space)

    def test_a_full_disk_is_named(self, store: Store, space: str, tmp_path: Path) -> None:
        store.write_bytes(f"{space}a", bytes_of(3 * MIB))

        with room_for(MIB), pytest.raises(Transient) as stopped:
            store.download(f"{space}a", tmp_path / "a")

        assert stopped.value.reason is Reason.DISK_FULL
        assert str(tmp_path / "a") in stopped.value.message
        assert files_in(tmp_path) == set()
