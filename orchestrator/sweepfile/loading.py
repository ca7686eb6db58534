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

from orchestrator.sweepfile.axis_problems import unknown_axes, unsound_axes
from orchestrator.sweepfile.effective import EffectiveValues
from orchestrator.sweepfile.evaluations import repeated
from orchestrator.sweepfile.expand import ExpandedTrial, expand, twins
from orchestrator.sweepfile.grid import Combined, combine, each_value_once
from orchestrator.sweepfile.inheritance import read_with_parents
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.overrides import apply_overrides
from orchestrator.sweepfile.places import with_full_paths
from orchestrator.sweepfile.presets import with_preset
from orchestrator.sweepfile.problems import InvalidSweep, SpecProblem
from orchestrator.sweepfile.resources import unusable_rules
from orchestrator.sweepfile.shadowed import without_effect
from orchestrator.sweepfile.trajectories import with_trajectories
from orchestrator.sweepfile.two_names import given_under_two_names
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
    num_made_equal: int = 0  # combinations of axes that rules of `when` have made equal to another


def load_sweep(file: FilePath, overrides: Sequence[str] = ()) -> LoadedSweep:
    """Read, check and expand a sweep file. Raises InvalidSweep with every problem."""
    source = read_with_parents(file)
    apply_overrides(source, overrides)
    source = with_preset(with_full_paths(source))
    sweep, wrong, problems = _sections(source)
    trials, num_made_equal, more = _trials(sweep, wrong, source)
    problems += [*given_under_two_names(source), *without_effect(sweep.axes, source), *more]
    found = [*source.problems, *_without_consequences(problems, source)]
    if found:
        raise InvalidSweep(found)
    return LoadedSweep(sweep, source, tuple(overrides), tuple(trials), num_made_equal)


def _sections(source: YamlSource) -> tuple[SweepFile, set[str], list[SpecProblem]]:
    """The file's sections, in place of wrong ones something that does no harm; which are wrong; and why."""
    try:
        return SweepFile.model_validate(source.data), set(), []
    except ValidationError as error:
        wrong = {str(details["loc"][0]) for details in error.errors()}
        problems = list(problems_of(error, source, prefix=(), model=SweepFile))
    usable = {name: section for name, section in source.data.items() if name not in wrong}
    if isinstance(source.data.get("models"), dict) and "models" in wrong:
        stand_ins = enumerate(source.data["models"])  # each another one, or trials would seem to be the same
        usable["models"] = {name: {"source": f"organisation/{number}"} for number, name in stand_ins}
    return SweepFile.model_validate(_HARMLESS | usable), wrong, problems


def _trials(
    sweep: SweepFile, wrong: set[str], source: YamlSource
) -> tuple[list[ExpandedTrial], int, list[SpecProblem]]:
    """The trials, how many combinations rules have made equal to others, and every problem."""
    if not isinstance(source.data.get("base"), dict):
        return [], 0, []  # said already, and nothing can be said of trials without it
    effective = EffectiveValues(sweep.base, source)
    combined = Combined([], problems=[*unknown_axes(sweep.axes, source), *unsound_axes(sweep.axes, source)])
    if not combined.problems and "axes" not in wrong:
        combined = combine(sweep.axes, effective, source)
    made = combined.combinations
    trials, problems = expand(sweep, made or each_value_once(source.data.get("axes")), effective, source)
    if made and "budgets" not in wrong:
        trials, reasons = with_trajectories(sweep, trials, source)
        problems += reasons
    if made:
        problems += twins(trials, source)
    else:  # what broken axes do not give is not missing
        problems = [each for each in problems if not each.is_of_a_missing_value]
    problems += repeated(sweep.evaluations, source)
    problems += unusable_rules(sweep, made, effective, source)
    return trials, combined.num_made_equal, [*combined.problems, *problems]


def _without_consequences(problems: Sequence[SpecProblem], source: YamlSource) -> list[SpecProblem]:
    """Without what is only said because something else could not be read."""
    unread = [problem.path for problem in source.problems if problem.path]
    return [
        problem
        for problem in problems
        if not any(problem.path[: len(path)] == path for path in unread)
        and not (problem.is_of_a_missing_value and any(problem.path[: len(path)] == path for path in source.unread))
    ]
