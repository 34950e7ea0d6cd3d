"""Reading Parquet files that nobody vouches for: row group by row group, to arrays on disk."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lathe_worker.data.bombs import Budget
from lathe_worker.data.columns import Column
from lathe_worker.data.encoded import MOST_BYTES
from lathe_worker.data.refusal import invalid
from lathe_worker.data.spool import Open, Spool

MOST_GROUP = 1 << 30
"""Most bytes of a row group, unpacked."""
_BATCH_BYTES = 1 << 23
_MOST_ROWS = 1 << 14
_BUFFER = 1 << 20
_THRIFT_STRING, _THRIFT_LIST = 100_000_000, 1_000_000
_BYTES = "bytes"
"""Field of a struct column that holds an encoded image."""


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file.

    Attributes:
        path: Where it is.
        called: How messages name it.
    """

    path: Path
    called: str

    def names(self) -> tuple[str, ...]:
        """Names of its columns.

        Raises:
            BadInput: InvalidDataset, when it is no Parquet file, or has too large row groups.
        """
        return tuple(_opened(self).schema_arrow.names)


def read(tables: Sequence[Table], wanted: Sequence[str], spool: Open) -> Mapping[str, Column]:
    """Unpack columns of files that follow one another.

    Args:
        tables: At least one file.
        wanted: Names of columns: numbers, lists of numbers, or images as bytes (alone, or as the
            field `bytes` of a struct).
        spool: Where unpacked columns are written.

    Raises:
        BadInput: InvalidDataset, for anything else, and for nulls.
    """
    with ExitStack() as stack:
        spooled = {
            name: _Spooled(stack.enter_context(closing(spool(name))), name) for name in wanted
        }
        for table in tables:
            _read_into(spooled, table)
    return {name: column.finished() for name, column in spooled.items()}


def _read_into(spooled: Mapping[str, "_Spooled"], table: Table) -> None:
    file = _opened(table)
    if missing := [name for name in spooled if name not in file.schema_arrow.names]:
        known = ", ".join(file.schema_arrow.names)
        raise invalid(table.called, f"has no column {missing[0]}; it has: {known}")
    remedy = "write it with fewer repetitions, or in parts"
    budget = Budget(table.path.stat().st_size, table.called, remedy)
    for batch in _batches(table, file, list(spooled)):
        for name, column in spooled.items():
            budget.spend(column.add(batch.column(name), table.called))


class _Kind(NamedTuple):
    """What the values of a column are.

    Attributes:
        dtype: Type of their elements; None for images.
        shape: Of the first value; lists that lie within no others may differ in length.
    """

    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] = ()

    def goes_with(self, other: "_Kind") -> bool:
        """Whether both can be in one column."""
        same = len(self.shape) == len(other.shape) == 1 or self.shape == other.shape
        return self.dtype == other.dtype and same

    def __str__(self) -> str:
        """For messages."""
        return "images" if self.dtype is None else f"{self.dtype} of shape {list(self.shape)}"


class _Spooled:
    """A column on its way to disk; the first batch decides what it is."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool = spool
        self._name = name
        self._kind: _Kind | None = None

    def add(self, values: Any, called: str) -> int:  # noqa: ANN401 - pyarrow has no types
        """Write a batch; gives its bytes."""
        called = f"{called}: the column {self._name}"
        values = _plain(values)
        kind, content, sizes = (
            _images(values, called) if _is_images(values.type) else _numbers(values, called)
        )
        if not len(sizes):
            return 0
        if self._kind is None:
            self._kind = kind
        if not self._kind.goes_with(kind):
            raise invalid(called, f"holds {kind}, but before it held {self._kind}")
        self._spool.add(content, sizes)
        return int(sizes.sum())

    def finished(self) -> Column:
        """The column on disk."""
        kind = self._kind or _Kind(np.dtype(np.float32))
        if kind.dtype is None:
            return self._spool.images()
        return self._spool.arrays(kind.dtype, kind.shape)


def _plain(values: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Values without what Arrow puts around them: extension types, and dictionaries."""
    pa = _pa()
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _pa() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - only for this format

    return pa


def _opened(table: Table) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow.parquet as pq  # noqa: PLC0415 - only for this format

    pa = _pa()
    try:
        file = pq.ParquetFile(
            table.path,
            thrift_string_size_limit=_THRIFT_STRING,
            thrift_container_size_limit=_THRIFT_LIST,
            arrow_extensions_enabled=False,
            page_checksum_verification=True,
            pre_buffer=False,
            buffer_size=_BUFFER,  # else a row group's whole column is read at once
        )
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise invalid(
            table.called, f"is no Parquet file, or is cut off ({_line(error)})"
        ) from error
    if too_large := [group for group in groups if group.total_byte_size > MOST_GROUP]:
        raise invalid(
            table.called,
            f"has a row group of {too_large[0].total_byte_size} bytes; up to {MOST_GROUP} are "
            "read: write it with a smaller row_group_size",
        )
    return file


def _batches(table: Table, file: Any, wanted: Sequence[str]) -> Iterator[Any]:  # noqa: ANN401
    """Yield rows, few enough that they fit into memory."""
    pa, metadata = _pa(), file.metadata
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group)
        average = max(1, about.total_byte_size // max(1, about.num_rows))
        batches = file.iter_batches(
            max(1, min(_MOST_ROWS, _BATCH_BYTES // average)),
            row_groups=[group],
            columns=list(wanted),
            use_threads=False,
        )
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise invalid(table.called, f"is damaged ({_line(error)})") from error
            if batch is None:
                break
            yield batch


def _is_images(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    types = _pa().types
    if types.is_struct(kind):
        at = kind.get_field_index(_BYTES)
        return at >= 0 and _is_images(kind.field(at).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _images(values: Any, called: str) -> tuple[_Kind, memoryview, np.ndarray]:  # noqa: ANN401
    """Images as they are stored, and how many bytes each has."""
    pa = _pa()
    _require_all(values, called)
    if pa.types.is_struct(values.type):
        values = values.field(_BYTES)
        _require_all(values, called)
    values = values.cast(pa.large_binary())
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset :][: len(values) + 1]
    sizes = np.diff(offsets)
    if len(sizes) and sizes.max() > MOST_BYTES:
        raise invalid(called, f"has a value of {sizes.max()} bytes; up to {MOST_BYTES} are read")
    content = memoryview(values.buffers()[2] or b"")
    content = content[int(offsets[0]) : int(offsets[-1])] if len(sizes) else content
    return _Kind(None), content, sizes


def _numbers(values: Any, called: str) -> tuple[_Kind, memoryview, np.ndarray]:  # noqa: ANN401
    """Elements of numbers or lists of them, and how many bytes each sample has."""
    lengths, inner = np.ones(len(values), np.int64), list[int]()
    while _is_list(values.type):
        _require_all(values, called)
        sizes = _lengths(values)
        if inner and not (_alike(sizes) and _alike(lengths)):
            raise invalid(called, "holds lists of lists of different lengths")
        lengths = lengths * (sizes[:1] if inner else sizes)
        inner.append(int(sizes[0]) if len(sizes) else 0)
        values = values.flatten()
    _require_all(values, called)
    if not _is_number(values.type):
        raise invalid(called, f"holds {values.type}, and no numbers or images")
    found = np.ascontiguousarray(values.to_numpy(zero_copy_only=False))
    if len(lengths) and lengths.sum() != len(found):
        raise invalid(called, "holds lists that are damaged")
    kind = _Kind(found.dtype, tuple(inner))
    return kind, found.view(np.uint8).data, lengths * found.dtype.itemsize


def _lengths(values: Any) -> np.ndarray:  # noqa: ANN401 - pyarrow has no types
    if _pa().types.is_fixed_size_list(values.type):
        return np.full(len(values), values.type.list_size, np.int64)
    found: np.ndarray = values.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _alike(sizes: np.ndarray) -> bool:
    return not len(sizes) or bool((sizes == sizes[0]).all())


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    types = _pa().types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_number(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    types = _pa().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _require_all(values: Any, called: str) -> None:  # noqa: ANN401 - pyarrow has no types
    if values.null_count:
        raise invalid(called, "has values that are null: drop or fill these rows")


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
