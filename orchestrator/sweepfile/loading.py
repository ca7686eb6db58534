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

from orchestrator.sweepfile.expand import ExpandedTrial, expand, unknown_axes
from orchestrator.sweepfile.grid import combinations
from orchestrator.sweepfile.inheritance import read_with_parents
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.overrides import apply_overrides
from orchestrator.sweepfile.presets import with_preset
from orchestrator.sweepfile.problems import InvalidSweep, SpecProblem
from orchestrator.sweepfile.trajectories import with_trajectories
from orchestrator.sweepfile.wording import to_problem
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
    sweep, problems = _sections(source)
    trials, more = _trials(sweep, source)
    if problems or more:
        raise InvalidSweep([*problems, *more])
    return LoadedSweep(sweep, source, tuple(overrides), tuple(trials))


def _sections(source: YamlSource) -> tuple[SweepFile, list[SpecProblem]]:
    """The file's sections; in place of wrong ones stands something that does no harm."""
    try:
        return SweepFile.model_validate(source.data), []
    except ValidationError as error:
        wrong = {details["loc"][0] for details in error.errors()}
        problems = [to_problem(details, source, (), SweepFile) for details in error.errors()]
    usable = {name: section for name, section in source.data.items() if name not in wrong}
    if isinstance(source.data.get("models"), dict) and "models" in wrong:
        usable["models"] = {name: {"source": "organisation/name"} for name in source.data["models"]}
    return SweepFile.model_validate(_HARMLESS | usable), problems


def _trials(sweep: SweepFile, source: YamlSource) -> tuple[list[ExpandedTrial], list[SpecProblem]]:
    if not isinstance(source.data.get("base"), dict):
        return [], []  # said already, and nothing can be said of trials without it
    problems = unknown_axes(sweep.axes, source)
    if problems:
        return [], problems
    made, problems = combinations(sweep.axes, sweep.base, source)
    if problems:
        return [], problems
    trials, more = expand(sweep, made, source)
    if not more:
        trials, more = with_trajectories(sweep, trials, source)
    if source.data.get("axes") is not None and not made[0]:
        # The axes were wrong and have been set aside: what they would have given is not missing.
        more = [problem for problem in more if not problem.message.endswith("is missing")]
    return trials, more
