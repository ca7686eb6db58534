"""What one imported run holds, in a line: its size, its axes, its steps, and which x-axes it can be drawn against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from db.records import ImportedRun
from exchange.importing.fields import CUMULATIVE, FIELDS

_AXES = ("tau", "group_size", "learning_rate", "data", "algorithm")


@dataclass(frozen=True)
class RunSummary:
    """A run as the user is shown it. `x` names the totals that at least one step has."""

    name: str
    model: str
    num_params: int | None
    seed: int | None
    axes: dict[str, Any]
    num_steps: int
    num_evaluations: int
    first_step: int | None
    last_step: int | None
    benchmarks: tuple[str, ...]
    x: tuple[str, ...]


def summarise(run: ImportedRun) -> RunSummary:
    """What a run holds."""
    steps = sorted({each.step for each in run.steps} | {each.step for each in run.evaluations})
    return RunSummary(
        name=run.name,
        model=run.model.name,
        num_params=run.model.num_params,
        seed=run.seed,
        axes={name: getattr(run, name) for name in _AXES if getattr(run, name) is not None},
        num_steps=len(run.steps),
        num_evaluations=len(run.evaluations),
        first_step=steps[0] if steps else None,
        last_step=steps[-1] if steps else None,
        benchmarks=tuple(dict.fromkeys(f"{each.benchmark} ({each.protocol})" for each in run.evaluations)),
        x=tuple(name for name in CUMULATIVE if any(vars(each)[FIELDS[name].column] is not None for each in run.steps)),
    )


def summarised(runs: Iterable[ImportedRun], summaries: list[RunSummary]) -> Iterator[ImportedRun]:
    """The runs as they come, each also summarised: runs are made one at a time and kept by nobody."""
    for run in runs:
        summaries.append(summarise(run))
        yield run
