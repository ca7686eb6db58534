"""CSV files: comma, semicolon or tab between the columns, names in the first line, missing cells empty.

Reads the file whole, column by column; a line with more cells than names is refused, one with fewer is told.
"""

from __future__ import annotations

import csv
import gzip
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from db.errors import SpecError
from exchange.importing.log_table import LogTable, content_of
from exchange.importing.mapping import own_names

_DELIMITERS = ",;\t"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LISTED_LINES = 3


def read_csv_file(path: Path) -> LogTable:
    """The table of one CSV file, plain or .gz. SpecError if it cannot be read as one."""
    import pandas as pd

    sha256, num_bytes = content_of([path])
    try:
        header, delimiter = _header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=delimiter, encoding="utf-8-sig", skip_blank_lines=False, index_col=False,
                low_memory=False, skipinitialspace=True,
            )  # fmt: skip
    except UnicodeDecodeError as error:
        raise SpecError(_not_utf8(path)) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise SpecError(_place_of_fault(path, header, delimiter) or f"{path} cannot be read as CSV: {error}") from error
    except (OSError, EOFError) as error:
        raise SpecError(f"{path} cannot be read as CSV: {error}") from error
    frame.columns = pd.Index(header)
    # A short line has nothing in the last column, and only then is it worth counting every line's fields.
    notes = _short_lines(path, header, delimiter) if frame.iloc[:, -1].isna().any() else ()
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    frame = frame.dropna(how="all")
    if frame.empty:
        raise SpecError(f"{path} has no rows below its header.")
    return LogTable(str(path), "csv", sha256, num_bytes, frame, "line", own_names(header), notes=notes)


def _lines(path: Path, delimiter: str, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row below the header, with the line that the row begins in. csv.Error says what is broken."""
    with _opened(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=strict)
        next(reader)
        begins = reader.line_num + 1
        for cells in reader:
            yield begins, cells
            begins = reader.line_num + 1


def _place_of_fault(path: Path, header: list[str], delimiter: str) -> str | None:
    """Which line a CSV reader stumbles over, and why."""
    line = 1
    try:
        for line, cells in _lines(path, delimiter, strict=True):
            if len(cells) > len(header):
                return (
                    f"{path}, line {line}: {len(cells)} fields, and the first line names {len(header)} columns. Put "
                    "quotes around a cell that has the separator in it, or name the missing column."
                )
    except csv.Error:
        return (
            f"{path}: a quote that is opened in line {line + 1} is not closed, or text follows it. Correct that cell."
        )
    return None


def _short_lines(path: Path, header: list[str], delimiter: str) -> tuple[str, ...]:
    """Which lines have fewer fields than there are columns: what is missing may not be what was last."""
    short = [
        (line, len(cells)) for line, cells in _lines(path, delimiter, strict=False) if 0 < len(cells) < len(header)
    ]
    told = [f"line {line} has {count} of {len(header)} fields" for line, count in short[:_LISTED_LINES]]
    more = len(short) - _LISTED_LINES
    return (*told, f"{more:,} more short line{'s' * (more > 1)}") if more > 0 else tuple(told)


def _not_utf8(path: Path) -> str:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        content = stream.read()
    if content[:2] in _UTF16_MARKS:
        return f"{path} is UTF-16 text. Save it as UTF-8 (in Excel: CSV UTF-8)."
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        return (
            f"{path}, line {line}: not UTF-8 text (byte {byte:#04x}, which is {chr(byte)!r} in Latin-1). "
            "Save the file as UTF-8."
        )
    raise AssertionError(f"{path} is UTF-8 after all")


def _header(path: Path) -> tuple[list[str], str]:
    with _opened(path) as stream:
        first = stream.readline()
    if not first.strip():
        raise SpecError(f"{path}: the first line is empty; it must name the columns.")
    delimiter = max(_DELIMITERS, key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SpecError(f"{path}: column {', '.join(map(repr, repeated))} is named twice in the first line.")
    return names, delimiter


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
