"""Rows of a view, a table or a query into a file: Parquet, CSV or JSON lines.

The file is written aside and renamed when it is whole, so a file of that name is never half a result. Memory does not
grow with the number of rows. Nothing that is there is overwritten unless that is asked for. `-` is standard output;
that, a named pipe and a device have nothing to replace and take the rows as they come.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from sqlalchemy import Engine

from db.description.catalog import Relation
from db.errors import EnvironmentProblem, SpecError
from exchange.relation_query import relation_query
from exchange.text_formats import write_csv, write_json_lines
from exchange.typed_rows import TypedRows, read_rows


class Format(StrEnum):
    """A file format; `json` is one JSON object a line, which can be read as it is written, row by row."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"

    @property
    def suffix(self) -> str:
        """What the name of such a file ends with."""
        return ".jsonl" if self == Format.JSON else f".{self}"


_STANDARD_OUTPUT = (Path("-"), Path("/dev/stdout"), Path("/dev/fd/1"))
_ENDINGS = {
    ".parquet": Format.PARQUET, ".pq": Format.PARQUET, ".csv": Format.CSV,
    ".json": Format.JSON, ".jsonl": Format.JSON, ".ndjson": Format.JSON,
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What was written: where, how many rows, and the file's size in bytes; None where that is no file."""

    path: Path
    num_rows: int
    num_bytes: int | None


def export_relation(
    engine: Engine, relation: Relation, path: Path, *, format: Format, sweep_id: int | None = None, force: bool = False
) -> Exported:
    """Write the rows of a view or table, of one sweep if it is given, sorted by sweep, fit, trial, attempt and step.

    Raises SpecError if `path` ends as a file of another format, or exists and `force` is false; EnvironmentProblem if
    it cannot be written.
    """
    query = relation_query(relation, sweep_id=sweep_id)
    about = {"rlsweep.source": relation.name, "rlsweep.comment": relation.comment}
    with _target(path, format, force=force) as out, read_rows(engine, query, columns=relation.columns) as rows:
        number = _WRITERS[format](rows, out, about)
    return _exported(path, number)


def export_query(
    engine: Engine,
    query: str,
    path: Path,
    *,
    format: Format,
    parameters: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Exported:
    """Write the rows of a SELECT, in its own order; errors as of `export_relation`, and SpecError for a bad query."""
    with _target(path, format, force=force) as out, read_rows(engine, query, parameters) as rows:
        number = _WRITERS[format](rows, out, {"rlsweep.source": query})
    return _exported(path, number)


def is_standard_output(path: Path) -> bool:
    """Whether rows for that path are printed."""
    return path in _STANDARD_OUTPUT


def _exported(path: Path, number: int) -> Exported:
    return Exported(path, number, path.stat().st_size if path.is_file() and not is_standard_output(path) else None)


@contextmanager
def _target(path: Path, format: Format, *, force: bool) -> Iterator[BinaryIO]:
    if is_standard_output(path):
        yield sys.stdout.buffer
        return
    meant = _ENDINGS.get(path.suffix.lower(), format)
    if meant != format:
        raise SpecError(f"{path} ends as a {meant} file and would hold {format}; write `export {meant}`, or rename it.")
    if path.is_dir():
        raise SpecError(f"{path} is a folder; give a file name with -o.")
    is_stream = path.exists() and not path.is_file()
    place = nullcontext(path) if is_stream else _written_aside(path, force=force)
    with _explained(path), place as written, written.open("wb") as out:
        yield out


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader went away, which is not an error of ours
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise EnvironmentProblem(f"Cannot write {path}: {why}. Choose another place with -o.") from error


@contextmanager
def _written_aside(path: Path, *, force: bool) -> Iterator[Path]:
    if path.exists() and not force:
        raise SpecError(f"{path} exists. Give another name with -o, or --force to replace it.")
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _write_parquet(rows: TypedRows, out: BinaryIO, about: Mapping[str, str]) -> int:
    from importlib.metadata import version

    from pyarrow.parquet import ParquetWriter

    from exchange.arrow import arrow_schema, record_batches

    schema = arrow_schema(rows.columns, {**about, "rlsweep.version": version("rlsweep")})
    number = 0
    with ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in record_batches(rows, schema):
            writer.write_batch(batch)
            number += batch.num_rows
    return number


def _write_csv(rows: TypedRows, out: BinaryIO, _about: Mapping[str, str]) -> int:
    with _as_text(out) as text:
        return write_csv(rows, text)


def _write_json(rows: TypedRows, out: BinaryIO, _about: Mapping[str, str]) -> int:
    with _as_text(out) as text:
        return write_json_lines(rows, text)


@contextmanager
def _as_text(out: BinaryIO) -> Iterator[TextIO]:
    """Text in UTF-8 on a file that stays open."""
    text = TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        yield text
    finally:
        text.detach()


_WRITERS: dict[Format, Callable[[TypedRows, BinaryIO, Mapping[str, str]], int]] = {
    Format.PARQUET: _write_parquet,
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
}
