"""The names that a score is kept under. Scores of different names are never compared."""

from __future__ import annotations

from workers.spec import Evaluation


def benchmark_name(evaluation: Evaluation, *, num_problems: int) -> str:
    """The benchmark and its size: scores on other problems are not comparable."""
    return f"{evaluation.benchmark}-{num_problems}"


def protocol_name(evaluation: Evaluation) -> str:
    """How it was scored."""
    if evaluation.method == "answer_probability":
        return "answer-probability-v1"
    return f"sampled-n{evaluation.samples}-t{evaluation.temperature:g}-v2"
