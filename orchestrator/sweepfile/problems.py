"""Problems of a sweep file: each says where it is, what was found, what was expected; all are reported at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.errors import SpecError

Path = tuple[str | int, ...]
PRESET_SOURCE = "preset "
OVERRIDE_SOURCE = "--set "
MISSING = "is missing"
_NUMBER = re.compile(r"[\d.,e+-]*\d")
_OF_ONE = (MISSING, "is not known", "found ")  # how a message starts that is of one value by itself
# Where null takes away what an extended file has: an axis, or the name of a model.
DROPPABLE: tuple[Path, ...] = (("axes", "grid"), ("models",))


@dataclass(frozen=True, order=True)
class Position:
    """Line and column, both from 1; `source` is a file name or a `--set` argument."""

    source: str
    line: int | None = None
    column: int | None = None

    @property
    def is_preset(self) -> bool:
        """Whether this is in a preset, and not in a file or on the command line."""
        return self.source.startswith(PRESET_SOURCE)

    @property
    def is_override(self) -> bool:
        """Whether this is on the command line."""
        return self.source.startswith(OVERRIDE_SOURCE)

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class SpecProblem:
    """One thing that is wrong, and where."""

    position: Position
    path: Path
    message: str

    @property
    def is_of_a_missing_value(self) -> bool:
        return self.message.startswith(MISSING)

    @property
    def is_of_several(self) -> bool:
        """Whether this is of how values go together, and so perhaps of another one than this."""
        return not self.message.startswith(_OF_ONE)

    def __str__(self) -> str:
        name = dotted(self.path)
        return f"{self.position}: {name}: {self.message}" if name else f"{self.position}: {self.message}"


class InvalidSweep(SpecError):
    """A sweep file with problems, every one of which is listed."""

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        once: dict[tuple[Any, ...], SpecProblem] = {}
        for problem in problems:  # a mapping that is used twice, by an alias, has its mistakes once
            once.setdefault((problem.position, problem.path[-1:], problem.message), problem)
        self.problems = tuple(
            sorted(once.values(), key=lambda p: (p.position.source, p.position.line or 0, p.position.column or 0))
        )
        count = len(self.problems)
        heading = "The sweep file has a problem:" if count == 1 else f"The sweep file has {count} problems:"
        super().__init__("\n".join([heading, *(f"  {problem}" for problem in self.problems)]))


def dotted(path: Path) -> str:
    """`('axes', 'grid', 'seed', 0)` -> `axes.grid.seed[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def without_numbers(message: str) -> str:
    """What messages have in common that differ in their numbers alone."""
    return _NUMBER.sub("", message)
