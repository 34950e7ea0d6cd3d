"""Addresses are read strictly, and names from outside never leave their folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lathe_steps.errors import BadInput, InvalidSpec, Stopped
from lathe_steps.reasons import Reason
from lathe_worker.addresses import Address, files_under, name_under, places

KEYS = st.text(st.sampled_from("ab./\\ \x00%é-_"), max_size=12)


@pytest.mark.parametrize(
    ("bucket", "key", "uri"),
    [
        pytest.param("models", "a", "s3://models/a", id="a key"),
        pytest.param("models", "a/b c%20?#+.onnx", "s3://models/a/b c%20?#+.onnx", id="as it is"),
        pytest.param("m.o-d3ls", "模型", "s3://m.o-d3ls/模型", id="in any script"),
        pytest.param("models", "...", "s3://models/...", id="three dots"),
    ],
)
def test_an_object_has_a_bucket_and_a_key(bucket: str, key: str, uri: str) -> None:
    assert Address.of_object(uri) == Address(bucket, key)
    assert Address.of_object(uri).uri == uri


@pytest.mark.parametrize(
    ("key", "uri"),
    [
        pytest.param("a/", "s3://models/a/", id="a prefix"),
        pytest.param("", "s3://models/", id="the whole bucket"),
    ],
)
def test_a_prefix_ends_in_a_slash(key: str, uri: str) -> None:
    assert Address.of_prefix(uri) == Address("models", key)


@pytest.mark.parametrize(
    "uri",
    [
        *("", "models/a", "http://models/a", "S3://models/a", "s3:/models/a", "s3://models"),
        *("s3://M/a", "s3://ab/a", "s3://-ab/a", "s3://../a", "s3:///a", "s3://models//a"),
        *("s3://models/./a", "s3://models/a/../b", "s3://models/a//b", "s3://models/.."),
        *("s3://models/a\x00", "s3://models/a\n", "s3://models/a\\b", "s3://user:key@models/a"),
    ],
)
def test_anything_else_is_an_invalid_spec(uri: str) -> None:
    with pytest.raises(InvalidSpec):
        Address.of_object(uri)


@pytest.mark.parametrize(
    "uri", ["", "s3://models", "s3://models/a", "s3:///", "s3://../", "s3://models/../", "models/"]
)
def test_anything_else_is_no_prefix(uri: str) -> None:
    with pytest.raises(InvalidSpec):
        Address.of_prefix(uri)


@given(KEYS)
def test_whatever_a_bucket_lists_stays_below_its_folder(key: str) -> None:
    prefix = Address("models", "folder/")
    try:
        name = name_under(prefix, f"folder/{key}")
    except BadInput:
        return
    (place,) = places(Path("/into"), [name])
    assert Path("/into") in Path(place.as_posix()).parents
    assert ".." not in place.parts
    assert place.relative_to("/into").as_posix() == name == key


@given(st.lists(KEYS, max_size=6))
def test_places_are_distinct_files_or_refused(names: list[str]) -> None:
    try:
        files = places(Path("/into"), names)
    except BadInput:
        return
    assert len(set(files)) == len(names)
    assert not {parent for file in files for parent in file.parents} & set(files)


@pytest.mark.parametrize("key", ["folder/../a", "folder//a", "folder/a\\b", "folder/a/", "folder/"])
def test_an_object_that_cannot_be_a_file_is_refused_by_name(key: str) -> None:
    with pytest.raises(BadInput) as stopped:
        name_under(Address("models", "folder/"), key)

    assert stopped.value.reason is Reason.UNSAFE_OBJECT_NAME
    assert f"s3://models/{key}" in stopped.value.message


def test_every_file_below_a_folder_has_a_name(tmp_path: Path) -> None:
    for name in ("b", "a/c", "a/b/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()

    assert files_under(tmp_path) == tuple((name, tmp_path / name) for name in ("a/b/d", "a/c", "b"))


def test_a_link_among_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path)

    with pytest.raises(Stopped):
        files_under(tmp_path)
