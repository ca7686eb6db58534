"""A file's rows by field, with what a message needs: the file's own column and value, or the option they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from exchange.importing.log_table import LogTable
from exchange.importing.mapping import Request, Resolution, option_of
from exchange.importing.problems import ImportProblem

if TYPE_CHECKING:
    import pandas as pd

Mask: TypeAlias = "pd.Series[bool]"


@dataclass(frozen=True, eq=False)
class FieldTable:
    """A table's rows by field: `frame` has one column per target key, numbers as floats and text as categories.

    `columns` gives each key's column in the file, for messages; keys that the user set, or that the file states as
    a fact of the whole run, have none. `doubtful` are the keys with a problem: nothing more is concluded from them.
    """

    table: LogTable
    request: Request
    frame: pd.DataFrame
    columns: dict[str, str]
    resolution: Resolution
    problems: list[ImportProblem] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The file."""
        return self.table.path

    @property
    def row_word(self) -> str:
        """What a row of the file is: a line or a step."""
        return self.table.row_word

    def report(self, rows: Mask, key: str, message: str) -> None:
        """Note a problem of `key` in the rows where `rows` is true; `{value}` in the message is the first one's.

        The value is the file's own, or the option's, which is told once and not for each row.
        """
        found = self.frame.index[rows.to_numpy()]
        if len(found) == 0:
            return
        self.doubtful.add(key)
        option = self._option(key, found[0])
        if key in self.columns and option is None:
            value = self.shown(key, found[0])
            places = (self.row_word, tuple(map(int, found)), self.columns[key])
            self.problems.append(ImportProblem(self.source, message.replace("{value}", value), *places))
            return
        value = self.request.arguments[option] if option else _shown(self.frame.at[found[0], key])
        source = option or f"{self.source}, {self._origin(key)}"
        self.problems.append(ImportProblem(source, message.replace("{value}", value)))

    def shown(self, key: str, row: int) -> str:
        """The value in the file that a key has in a row, with the unit that the user gave its column."""
        column, target = self.resolution.assigned[key]
        unit = f" ({target.unit.name})" if target.unit.name else ""
        return f"{_shown(self.table.frame.at[row, column])}{unit}"

    def _option(self, key: str, row: int) -> str | None:
        model = self.frame.at[row, "model"] if "model" in self.frame else None
        return option_of(self.request, key, model)

    def _origin(self, key: str) -> str:
        keys = self.table.from_config.get(key, ())
        return f"config {', '.join(keys)}" if keys else key


def _shown(value: Any) -> str:
    """A value as it is in the file; text in quotes, unless it is a number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return repr(value)
    # Of a whole number each digit may matter; a fraction may have digits that come from reading it.
    return str(value).strip().removesuffix(".0") if number.is_integer() else f"{number:.10g}"
