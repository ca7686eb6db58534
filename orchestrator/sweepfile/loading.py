"""Reading a sweep file, `--set` included, into its trials, or into every problem it has, at once.

The sections and the trials are checked apart from each other, so that a wrong `budgets` does not hide a wrong value
of `base` until the next try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from orchestrator.sweepfile.axis_problems import names_of_values, unknown_axes, unsound_axes
from orchestrator.sweepfile.conditions import Conditions
from orchestrator.sweepfile.effective import EffectiveValues
from orchestrator.sweepfile.evaluations import repeated
from orchestrator.sweepfile.expand import ExpandedTrial, expand, twins
from orchestrator.sweepfile.grid import combine, passed_over, values_of
from orchestrator.sweepfile.inheritance import read_with_parents
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.names import bears_on
from orchestrator.sweepfile.overrides import apply_overrides
from orchestrator.sweepfile.places import with_full_paths
from orchestrator.sweepfile.presets import with_preset
from orchestrator.sweepfile.problems import InvalidSweep, SpecProblem, dotted
from orchestrator.sweepfile.resources import unusable_rules, unused_rules
from orchestrator.sweepfile.sections import Sections, is_consequence, read_sections
from orchestrator.sweepfile.shadowed import without_effect
from orchestrator.sweepfile.trajectories import with_trajectories
from orchestrator.sweepfile.two_names import given_under_two_names
from orchestrator.sweepfile.unsound import Unsound
from orchestrator.sweepfile.yaml_source import YamlSource


@dataclass(frozen=True)
class LoadedSweep:
    """A valid sweep file, the text it came from, and its trials in order."""

    sweep: SweepFile
    source: YamlSource
    overrides: tuple[str, ...]
    trials: tuple[ExpandedTrial, ...]
    num_made_equal: int = 0  # combinations of axes that rules of `when` have made equal to another
    cautions: tuple[str, ...] = ()  # what is no mistake, and may not be what was meant


def load_sweep(file: FilePath, overrides: Sequence[str] = ()) -> LoadedSweep:
    """Read, check and expand a sweep file. Raises InvalidSweep with every problem."""
    source = read_with_parents(file)
    apply_overrides(source, overrides)
    source = with_preset(with_full_paths(source))
    sections = read_sections(source)
    checked = _checked(sections, source)
    more = [*given_under_two_names(source), *without_effect(sections.sweep.axes, source), *checked.problems]
    replaced = [*sections.replaced, *(problem.path for problem in source.problems if problem.path)]
    more = [problem for problem in more if not is_consequence(problem, replaced)]
    found = [*source.problems, *_without_consequences([*sections.problems, *more], source)]
    if found:
        raise InvalidSweep(found)
    return LoadedSweep(
        sections.sweep,
        source,
        tuple(overrides),
        tuple(checked.trials),
        num_made_equal=checked.num_made_equal,
        cautions=tuple(map(str, checked.cautions)),
    )


@dataclass
class _Checked:
    """The trials, how many combinations rules have made equal to others, every problem, and what is worth a word."""

    trials: list[ExpandedTrial]
    num_made_equal: int
    problems: list[SpecProblem]
    cautions: list[SpecProblem]


def _checked(sections: Sections, source: YamlSource) -> _Checked:
    sweep, replaced = sections.sweep, sections.replaced
    effective = EffectiveValues(sweep.base, source)
    conditions = Conditions(sweep.axes, source)
    of_axes = [*unknown_axes(sweep.axes, source), *unsound_axes(sweep.axes, source)]
    unsound = Unsound([*replaced, *(problem.path for problem in of_axes)])
    combined = combine(sweep.axes, effective, source, conditions=conditions, unsound=unsound)
    expanded = expand(sweep, combined.combinations, effective, source)
    trials, of_values = expanded.trials, list(expanded.problems)
    for axis, alone in passed_over(sweep.axes, combined.combinations, unsound):
        found = expand(sweep, alone, effective, source).problems
        of_values += [each for each in found if each.path[: len(axis)] == axis]
    problems = [*of_axes, *combined.problems, *of_values]
    if ("budgets",) not in replaced:
        trials, reasons = with_trajectories(sweep, trials, source)
        is_of_resources = any(path[0] == "resources" for path in replaced)  # which say whether there are GPUs
        problems += [each for each in reasons if not (is_of_resources and each.path == ("budgets", "unit"))]
    if not unsound.may_make_twins:
        problems += twins(trials, source)
    places = {path[1] for path in replaced if path[0] == "evaluations" and len(path) > 1}
    problems += repeated(sweep.evaluations, source, without=places)
    judged = Conditions(sweep.axes, source)
    if any(rule.condition for rule in sweep.resources):
        values = [effective.of(values_of(each)) for each in combined.combinations]
        problems += unusable_rules(sweep, values, judged, source, before=combined.before, unsound=unsound)
    problems = [each for each in problems if not _comes_from_an_axis(each, unsound)]
    wrong = names_of_values(of_values)
    for of_conditions in (conditions.judged.problems, judged.judged.problems):
        problems += [each for each in of_conditions if not any(bears_on(name, str(each.path[-1])) for name in wrong)]
    cautions = [*conditions.judged.cautions, *judged.judged.cautions]
    cautions += unused_rules(sweep, expanded.rules_used, source, without=[each.path for each in cautions])
    return _Checked(trials, combined.num_made_equal, problems, cautions)


def _comes_from_an_axis(problem: SpecProblem, unsound: Unsound) -> bool:
    """Whether a value is missing only because an axis that may give it is passed over."""
    return problem.is_of_a_missing_value and problem.path[0] == "base" and unsound.bears_on(dotted(problem.path[1:]))


def _without_consequences(problems: Sequence[SpecProblem], source: YamlSource) -> list[SpecProblem]:
    """Without what is only said because something else could not be read."""
    unread = [problem.path for problem in source.problems if problem.path]
    return [
        problem
        for problem in problems
        if not is_consequence(problem, unread)
        and not (problem.is_of_a_missing_value and any(problem.path[: len(path)] == path for path in source.unread))
    ]
