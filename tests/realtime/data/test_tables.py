import csv
import io
import json

import pyarrow.parquet
import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.errors import SinkError
from fer_live.realtime.data import tables
from fer_live.realtime.data.data_sinks import TableSink
from fer_live.realtime.data.rows import FaceRows
from fer_live.realtime.data.schema import columns_for, rows_of
from fer_live.realtime.data.tables import TABLES
from fer_live.realtime.datatypes import Doubt

COLUMNS = columns_for(FER2013_LABELS)
NAMES = [column.name for column in COLUMNS]


def from_csv(data: bytes) -> list[dict]:
    reads = {"integer": int, "number": float, "text": str, "truth": {"true": True, "false": False}.__getitem__}
    lines = csv.reader(io.StringIO(data.decode()))
    assert next(lines) == NAMES
    return [
        {
            column.name: None if field == "" else reads[column.kind](field)
            for column, field in zip(COLUMNS, line, strict=True)
        }
        for line in lines
    ]


def from_jsonl(data: bytes) -> list[dict]:
    rows = [json.loads(line) for line in data.decode().splitlines()]
    assert all(list(row) == NAMES for row in rows)
    return rows


def from_parquet(data: bytes) -> list[dict]:
    table = pyarrow.parquet.read_table(io.BytesIO(data))
    assert table.column_names == NAMES
    return table.to_pylist()


READ = {".csv": from_csv, ".jsonl": from_jsonl, ".parquet": from_parquet}


@pytest.fixture
def frames(seen):
    happy, unsure = ("happy", 0.7, None), ("fear", 1 / 3, Doubt.LOW_CONFIDENCE)
    return [seen(index / 25, index, {1: happy, 2: unsure} if index % 3 else {}) for index in range(50)]


@pytest.mark.parametrize("suffix", TABLES)
def test_what_is_read_back_is_what_was_found(suffix, frames) -> None:
    written: list[bytes] = []
    table = TABLES[suffix](COLUMNS, written.append)
    expected = []
    for result in frames:
        rows = rows_of(result, 10.25)
        expected += [dict(zip(NAMES, row, strict=True)) for row in rows]
        table.add(rows)
    table.end()
    assert READ[suffix](b"".join(written)) == expected
    assert len(expected) == 2 * sum(index % 3 != 0 for index in range(50))


@pytest.mark.parametrize("suffix", TABLES)
def test_a_video_without_faces_is_a_table_without_rows(suffix, seen) -> None:
    written: list[bytes] = []
    table = TABLES[suffix](COLUMNS, written.append)
    table.add(rows_of(seen(0.0, 0, {}), 10.0))
    table.end()
    assert READ[suffix](b"".join(written)) == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_killed_run_loses_no_finished_frame(suffix, frames, tmp_path) -> None:
    """What is in the file while the sink is open is what kill -9 leaves."""
    with TableSink(tmp_path / f"out{suffix}", FaceRows(FER2013_LABELS), None) as sink:
        for count, result in enumerate(frames, 1):
            sink.write(result)
            rows = READ[suffix]((tmp_path / f"out.partial{suffix}").read_bytes())
            assert len(rows) == sum(len(each.faces) for each in frames[:count])
        sink.finish()
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_parquet_has_row_groups_units_and_meanings(frames, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 10)
    with TableSink(tmp_path / "out.parquet", FaceRows(FER2013_LABELS), None) as sink:
        for result in frames:
            sink.write(result)
        sink.finish()
    file = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet")
    assert file.metadata.num_row_groups == 7
    field = file.schema_arrow.field("latency_ms")
    assert field.metadata == {b"unit": b"ms", b"meaning": COLUMNS[-1].meaning.encode()}


@pytest.mark.parametrize("suffix", TABLES)
def test_an_error_keeps_a_readable_part_and_the_older_result(suffix, frames, tmp_path) -> None:
    target = tmp_path / f"out{suffix}"
    target.write_text("an older result")
    with pytest.raises(ZeroDivisionError), TableSink(target, FaceRows(FER2013_LABELS), None) as sink:
        for result in frames:
            sink.write(result)
        raise ZeroDivisionError
    assert target.read_text() == "an older result"
    assert sink.file.part == tmp_path / f"out.partial{suffix}"
    assert len(READ[suffix](sink.file.part.read_bytes())) == sum(len(each.faces) for each in frames)


@pytest.mark.parametrize("suffix", TABLES)
def test_a_full_disk_is_told_with_the_part(suffix, frames, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with TableSink(tmp_path / f"out{suffix}", FaceRows(FER2013_LABELS), None) as sink:
        sink.write(frames[1])
        monkeypatch.setattr("fer_live.realtime.sinks.partial.PartialFile.write", full)
        with pytest.raises(SinkError, match=rf"No space left on device.*out\.partial\{suffix}"):
            sink.write(frames[2])
            sink.finish()
    assert not (tmp_path / f"out{suffix}").exists()
