"""One file, or the files of one run, as a table of text and numbers: what every reader makes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.errors import SpecError
from db.records import ImportedFile
from exchange.importing.mapping import Request, Target, Value

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class LogTable:
    """A table and where it came from.

    The frame's index is the number of each row in the file, which `row_word` names: a line, or a step. `automatic`
    holds what the format's own column names mean, in order of preference; `facts` what the file says of its runs as
    a whole, by field; `notes` what the user should know of how it was read. `config` is the run's configuration, flat;
    `from_config` has the keys that a fact comes from. `not_numbers` has the rows in which a column was logged as NaN,
    where the frame cannot tell that from what was not logged at all.
    """

    path: str
    format: str
    sha256: str
    num_bytes: int
    frame: pd.DataFrame
    row_word: str
    automatic: Mapping[str, Target]
    facts: Mapping[str, Value] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    from_config: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    not_numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def file(self, request: Request) -> ImportedFile:
        """The table's provenance, as the store keeps it."""
        return ImportedFile(self.path, self.format, self.sha256, self.num_bytes, dict(request.arguments))


def content_of(files: Sequence[Path]) -> tuple[str, int]:
    """SHA-256 and size of files, in order. SpecError if one cannot be read."""
    digest, size = hashlib.sha256(), 0
    for file in files:
        try:
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
        except OSError as error:
            raise SpecError(f"Cannot read {file}: {error.strerror}.") from error
    return digest.hexdigest(), size
