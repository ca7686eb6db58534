"""What is wrong with files that are to be imported: where, which value, what was expected; all of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from db.errors import SpecError

LISTED_PROBLEMS = 20
_LISTED_ROWS = 5
_NOTED_ROWS = 3


@dataclass(frozen=True)
class ImportProblem:
    """One thing that is wrong: in an argument, in a file, or in the same way in several rows of one column."""

    source: str
    message: str
    row_word: str = "line"
    rows: tuple[int, ...] = ()
    column: str | None = None

    def __str__(self) -> str:
        place = [self.source]
        if self.rows:
            place.append(f"{self.row_word} {self.rows[0]}")
        if self.column is not None:
            place.append(f"column {self.column}")
        return f"{', '.join(place)}: {self.message}{self._others()}"

    def _others(self) -> str:
        others = self.rows[1:]
        if not others:
            return ""
        listed = ", ".join(map(str, others[:_LISTED_ROWS]))
        plural = "s" if len(others) > 1 else ""
        return f" [{len(others)} more {self.row_word}{plural}: {listed}{', ...' if others[_LISTED_ROWS:] else ''}]"


class InvalidImport(SpecError):
    """Files or arguments that cannot be imported as they are; every problem is in `problems`, the first are listed."""

    def __init__(self, problems: Sequence[ImportProblem]) -> None:
        # What is wrong with an option is found again in each file.
        self.problems = tuple(dict.fromkeys(problems))
        count = len(self.problems)
        lines = [
            "Nothing was imported; there is a problem:" if count == 1 else f"Nothing was imported; {count} problems:"
        ]
        lines += [f"  {problem}" for problem in self.problems[:LISTED_PROBLEMS]]
        if count > LISTED_PROBLEMS:
            lines.append(f"  ... and {count - LISTED_PROBLEMS} more")
        super().__init__("\n".join(lines))


def told_rows(row_word: str, rows: Sequence[int]) -> str:
    """`line 301`, or `lines 52, 301, 340 and 40 more`."""
    if len(rows) == 1:
        return f"{row_word} {rows[0]}"
    more = f" and {len(rows) - _NOTED_ROWS:,} more" if len(rows) > _NOTED_ROWS else ""
    return f"{row_word}s {', '.join(map(str, rows[:_NOTED_ROWS]))}{more}"


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at the known word that was probably meant, or an empty text."""
    found = get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""
