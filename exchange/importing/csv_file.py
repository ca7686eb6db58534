"""CSV files: comma, semicolon or tab between the columns, names in the first line, missing cells empty.

Reads the file whole, column by column; a line with more cells than names is refused.
"""

from __future__ import annotations

import csv
import gzip
import warnings
from pathlib import Path
from typing import IO

from db.errors import SpecError
from exchange.importing.log_table import LogTable, content_of
from exchange.importing.mapping import own_names

_DELIMITERS = ",;\t"


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
        raise SpecError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise SpecError(f"{path} cannot be read as CSV: {str(error).strip()}") from error
    except (OSError, EOFError) as error:
        raise SpecError(f"{path} cannot be read as CSV: {error}") from error
    frame.columns = pd.Index(header)
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    frame = frame.dropna(how="all")
    if frame.empty:
        raise SpecError(f"{path} has no rows below its header.")
    return LogTable(str(path), "csv", sha256, num_bytes, frame, "line", own_names(header))


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
