"""Evaluations that say the same thing twice, or whose results would take each other's place in the database."""

from __future__ import annotations

from collections.abc import Container, Sequence

from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.evaluation.score_names import protocol_name
from workers.spec import Evaluation


def repeated(
    evaluations: Sequence[Evaluation], source: YamlSource, *, without: Container[int | str] = ()
) -> list[SpecProblem]:
    """Entries of `evaluations` that are kept under the name of an earlier one; those at some places are passed over."""
    problems = []
    benchmarks = [evaluation.benchmark for evaluation in evaluations]
    for place, evaluation in enumerate(evaluations):
        if place in without:
            continue
        earlier = [n for n in range(place) if benchmarks[n] == evaluation.benchmark and n not in without]
        reason = next(filter(None, (_reason_against(evaluation, evaluations[n], n) for n in earlier)), None)
        if reason is not None:
            path: Path = ("evaluations", place)
            problems.append(SpecProblem(source.position(path), path, f"{reason}; take one of them out"))
    return problems


def _reason_against(evaluation: Evaluation, other: Evaluation, number: int) -> str | None:
    if evaluation == other:
        return f"is the same as evaluations[{number}]"
    kept_as = protocol_name(evaluation)
    if protocol_name(other) != kept_as:
        return None
    return f"would be kept under the name of evaluations[{number}] ({evaluation.benchmark}, {kept_as})"
