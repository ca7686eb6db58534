"""Reading a sweep file, `--set` included, into its trials, or into every problem it has, at once.

The sections and the trials are checked apart from each other, so that a wrong `budgets` does not hide a wrong value
of `base` until the next try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.evaluations import repeated
from orchestrator.sweepfile.expand import ExpandedTrial, expand, twins, unknown_axes
from orchestrator.sweepfile.grid import Combination, combinations, each_value_once, unsound_axes
from orchestrator.sweepfile.inheritance import read_with_parents
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.overrides import apply_overrides
from orchestrator.sweepfile.presets import with_preset
from orchestrator.sweepfile.problems import InvalidSweep, SpecProblem
from orchestrator.sweepfile.resources import unusable_rules
from orchestrator.sweepfile.trajectories import with_trajectories
from orchestrator.sweepfile.wording import problems_of
from orchestrator.sweepfile.yaml_source import YamlSource

# Stand-ins for sections that are wrong or missing, so that the trials can be checked nevertheless.
_HARMLESS: dict[str, Any] = {
    "name": "x",
    "base": {},
    "budgets": {"unit": "steps", "at": [1]},
    "evaluations": [{"benchmark": "heldout"}],
}


@dataclass(frozen=True)
class LoadedSweep:
    """A valid sweep file, the text it came from, and its trials in order."""

    sweep: SweepFile
    source: YamlSource
    overrides: tuple[str, ...]
    trials: tuple[ExpandedTrial, ...]


def load_sweep(file: FilePath, overrides: Sequence[str] = ()) -> LoadedSweep:
    """Read, check and expand a sweep file. Raises InvalidSweep with every problem."""
    source = read_with_parents(file)
    apply_overrides(source, overrides)
    source = with_preset(source)
    sweep, wrong, problems = _sections(source)
    trials, more = _trials(sweep, wrong, source)
    found = [*source.problems, *_without_consequences([*problems, *more], source)]
    if found:
        raise InvalidSweep(found)
    return LoadedSweep(sweep, source, tuple(overrides), tuple(trials))


def _sections(source: YamlSource) -> tuple[SweepFile, set[str], list[SpecProblem]]:
    """The file's sections, in place of wrong ones something that does no harm; which are wrong; and why."""
    try:
        return SweepFile.model_validate(source.data), set(), []
    except ValidationError as error:
        wrong = {str(details["loc"][0]) for details in error.errors()}
        problems = list(problems_of(error, source, prefix=(), model=SweepFile))
    usable = {name: section for name, section in source.data.items() if name not in wrong}
    if isinstance(source.data.get("models"), dict) and "models" in wrong:
        usable["models"] = {name: {"source": "organisation/name"} for name in source.data["models"]}
    return SweepFile.model_validate(_HARMLESS | usable), wrong, problems


def _trials(sweep: SweepFile, wrong: set[str], source: YamlSource) -> tuple[list[ExpandedTrial], list[SpecProblem]]:
    if not isinstance(source.data.get("base"), dict):
        return [], []  # said already, and nothing can be said of trials without it
    problems = [*unknown_axes(sweep.axes, source), *unsound_axes(sweep.axes, source)]
    made: list[Combination] = []
    if not problems and "axes" not in wrong:
        made, problems = combinations(sweep.axes, sweep.base, source)
    is_whole = bool(made)
    made = made or each_value_once(source.data.get("axes"))
    trials, built, more = expand(sweep, made, source)
    if not is_whole:  # what broken axes do not give is not missing
        more = [each for each in more if not each.is_of_a_missing_value]
    else:
        more += twins(trials, built, source)
    if is_whole and "budgets" not in wrong:
        trials, reasons = with_trajectories(sweep, trials, source)
        more += reasons
    more += repeated(sweep.evaluations, source)
    more += unusable_rules(sweep, made if is_whole else (), source)
    return trials, [*problems, *more]


def _without_consequences(problems: Sequence[SpecProblem], source: YamlSource) -> list[SpecProblem]:
    """Without what is only said because something else could not be read."""
    unread = [problem.path for problem in source.problems if problem.path]
    return [
        problem
        for problem in problems
        if not any(problem.path[: len(path)] == path for path in unread)
        and not (problem.is_of_a_missing_value and any(problem.path[: len(path)] == path for path in source.unread))
    ]
