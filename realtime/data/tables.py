"""Rows as CSV, JSON Lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .schema import Column, Row, Value

__all__ = ["TABLES", "CsvTable", "JsonLinesTable", "ParquetTable", "Table"]

ROW_GROUP = 20_000
"""Rows that a Parquet file's groups have: about ten minutes of one face, some 2 MB."""


class Table(Protocol):
    """Turns rows into bytes for ``write``; one for each format."""

    def __init__(self, columns: Sequence[Column], write: Callable[[bytes], Any]) -> None: ...

    def add(self, rows: Sequence[Row]) -> None:
        """Take the rows of the next frame; none is ordinary. The first call writes what a file begins with."""

    def end(self) -> None:
        """Write what is still held and what a file ends with."""


class CsvTable:
    """RFC 4180 with a header, lines that end with LF; true and false, an empty field where there is no value."""

    def __init__(self, columns: Sequence[Column], write: Callable[[bytes], Any]) -> None:
        self._columns, self._write = columns, write
        self._begun = False

    def add(self, rows: Sequence[Row]) -> None:
        """See :class:`Table`, like the rest; each frame's rows are written at once."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if not self._begun:
            lines.writerow(column.name for column in self._columns)
            self._begun = True
        lines.writerows([_cell(value) for value in row] for row in rows)
        if data := text.getvalue():
            self._write(data.encode())

    def end(self) -> None:
        """A file without frames has its header all the same."""
        self.add(())


class JsonLinesTable:
    """One JSON object a line (https://jsonlines.org), keys in the order of the columns."""

    def __init__(self, columns: Sequence[Column], write: Callable[[bytes], Any]) -> None:
        self._names = [column.name for column in columns]
        self._write = write

    def add(self, rows: Sequence[Row]) -> None:
        """See :class:`Table`, like the rest; each frame's rows are written at once."""
        lines = [json.dumps(dict(zip(self._names, row, strict=True)), ensure_ascii=False) + "\n" for row in rows]
        self._write("".join(lines).encode())

    def end(self) -> None:
        """Nothing is held."""
        self._write(b"")


class ParquetTable:
    """Apache Parquet, by pyarrow; units and meanings stand in the schema's field metadata.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """

    def __init__(self, columns: Sequence[Column], write: Callable[[bytes], Any]) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = {
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "text": pyarrow.string(),
            "truth": pyarrow.bool_(),
        }
        self._schema = pyarrow.schema(
            [
                pyarrow.field(each.name, kinds[each.kind], metadata={"unit": each.unit, "meaning": each.meaning})
                for each in columns
            ]
        )
        self._pyarrow, self._file = pyarrow, _Stream(write)
        self._writer: Any = None
        self._rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """See :class:`Table`, like the rest; rows are held until they make a group."""
        if self._writer is None:
            stream = self._pyarrow.PythonFile(self._file, mode="w")
            self._writer = self._pyarrow.parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._rows += rows
        if len(self._rows) >= ROW_GROUP:
            self._write_group()

    def end(self) -> None:
        """Without this the file cannot be read: its index is at its end."""
        self.add(())
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        rows, self._rows = self._rows, []
        arrays = [
            self._pyarrow.array(values, field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._pyarrow.Table.from_arrays(arrays, schema=self._schema), row_group_size=ROW_GROUP)


class _Stream(io.RawIOBase):
    """What pyarrow writes to; it never seeks."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        data = bytes(data)
        self._write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position


TABLES: dict[str, type[CsvTable] | type[JsonLinesTable] | type[ParquetTable]] = {
    ".csv": CsvTable,
    ".jsonl": JsonLinesTable,
    ".parquet": ParquetTable,
}
"""By suffix."""


def _cell(value: Value) -> Value:
    return ("true" if value else "false") if isinstance(value, bool) else value
