"""Evaluations that say the same thing twice, which would score every trial twice and keep one result."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import Evaluation


def repeated(evaluations: Sequence[Evaluation], source: YamlSource) -> list[SpecProblem]:
    """Entries of `evaluations` that are equal to an earlier one."""
    problems = []
    for place, evaluation in enumerate(evaluations):
        first = evaluations.index(evaluation)
        if first != place:
            path: Path = ("evaluations", place)
            message = f"is the same as evaluations[{first}]; take one of them out"
            problems.append(SpecProblem(source.position(path), path, message))
    return problems
