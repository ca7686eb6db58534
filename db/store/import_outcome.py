"""What became of imported files: run by run, what was written, and which values contradict those that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Change: TypeAlias = Literal["new", "unchanged", "extended", "replaced", "conflicting"]

_LISTED = 20
_LISTED_STEPS = 3


@dataclass(frozen=True)
class Contradiction:
    """A value of the new file that is not the stored one. `step` is None for what holds for the whole run."""

    run: str
    step: int | None
    column: str
    stored: object
    new: object

    def __str__(self) -> str:
        where = "" if self.step is None else f", step {self.step}"
        stored = "nothing" if self.stored is None else repr(self.stored)
        return f"run {self.run}{where}: {self.column} is {stored} here and {self.new!r} in the file"


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run: the rows that were written for it, and its contradictions in a dry run.

    `filled` names what was not known of the run as a whole, and now is. `lost_steps` and `lost_evaluations` are how
    many stored ones the file that replaced them has no values for: these count no more.
    """

    name: str
    change: Change
    num_steps: int = 0
    num_evaluations: int = 0
    contradictions: tuple[Contradiction, ...] = ()
    filled: tuple[str, ...] = ()
    lost_steps: int = 0
    lost_evaluations: int = 0


@dataclass(frozen=True)
class ImportOutcome:
    """What became of one file. `sweep_id` is None after a dry run of a new sweep."""

    sweep_id: int | None
    runs: tuple[RunOutcome, ...]

    def named(self, change: Change) -> tuple[str, ...]:
        """Names of the runs with which this happened."""
        return tuple(run.name for run in self.runs if run.change == change)

    @property
    def num_steps(self) -> int:
        """Step rows that were written."""
        return sum(run.num_steps for run in self.runs)

    @property
    def num_evaluations(self) -> int:
        """Evaluation rows that were written."""
        return sum(run.num_evaluations for run in self.runs)


def refusal(sweep: str, found: Sequence[Contradiction]) -> str:
    """Why files that contradict what is stored are not imported, value by value."""
    runs = len({each.run for each in found})
    lines = [
        f"Nothing was imported: {len(found)} value{'s' * (len(found) > 1)} of {runs} run{'s' * (runs > 1)} "
        f"differ{'s' * (len(found) == 1)} from what sweep {sweep!r} holds. Check the file and its mapping; "
        "--replace makes the file's rows the ones that count.",
        *(f"  {line}" for line in told(found)),
    ]
    return "\n".join(lines)


def told(found: Sequence[Contradiction]) -> list[str]:
    """Contradictions in lines, those of the same kind in one: the first, and how many more there are where."""
    groups: dict[tuple[object, ...], list[Contradiction]] = {}
    for each in found:
        # Where nothing is stored, one option or one new column adds a value to every row.
        kind = (each.column, None) if each.stored is None else (each.column, each.stored, each.new)
        groups.setdefault(kind, []).append(each)
    lines = [_line(same) for same in groups.values()]
    return lines if len(lines) <= _LISTED else [*lines[:_LISTED], f"... and {len(lines) - _LISTED} more"]


def _line(same: Sequence[Contradiction]) -> str:
    first, others = same[0], same[1:]
    if not others:
        return str(first)
    runs = list(dict.fromkeys(each.run for each in others))
    where = f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs"
    steps = list(dict.fromkeys(str(each.step) for each in others if each.step is not None))
    listed = ", ".join(steps[:_LISTED_STEPS]) + (", ..." if len(steps) > _LISTED_STEPS else "")
    at = f", step{'s' * (len(steps) > 1)} {listed}" if steps else ""
    return f"{first} [{len(others)} more like it: {where}{at}]"
