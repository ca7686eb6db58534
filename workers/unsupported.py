"""What a specification may say and this version's trial cannot do yet: refused by name before anything starts.

A trial never ignores a setting. What is listed here is planned, costed and hashed like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator

from workers.spec import Evaluation, Execution, Loss, TrialSpec

_TRAINED = frozenset({"clip_low", "clip_high", "kl_coefficient", "advantage_scale", "sampler_correction_cap"})


def unsupported(spec: TrialSpec) -> list[str]:
    """A sentence for each setting of `spec` that cannot be run."""
    return [f"{name} ({value}) cannot be run by this version" for name, value in _settings(spec)]


def _settings(spec: TrialSpec) -> Iterator[tuple[str, object]]:
    if spec.data.train is not None:
        yield "data.train", spec.data.train
    if spec.algorithm.name != "grpo":
        yield "algorithm", spec.algorithm.name
    for name, field in Loss.model_fields.items():
        value = getattr(spec.algorithm, name)
        needs_reference = name in ("reference_dtype", "kl_placement", "kl_times_ratio")
        if (
            name not in _TRAINED
            and value != field.default
            and not (needs_reference and not spec.algorithm.kl_coefficient)
        ):
            yield f"loss.{name}", value
    if spec.algorithm.epochs_per_step != 1:
        yield "epochs_per_step", spec.algorithm.epochs_per_step
    if spec.optimizer.schedule != "constant":
        yield "optimizer.schedule", spec.optimizer.schedule
    for section in ("lora", "environment"):
        if getattr(spec, section) is not None:
            yield section, getattr(spec, section)
    for evaluation in spec.evaluations:
        for name in ("benchmark", "protocol", "top_p", "max_completion_tokens"):
            if getattr(evaluation, name) != Evaluation.model_fields[name].default:
                yield f"evaluations.{name}", getattr(evaluation, name)
    if spec.budget.unit == "gpu_hours":
        yield "budgets.unit", spec.budget.unit
    yield from _execution(spec.execution)


def _execution(execution: Execution) -> Iterator[tuple[str, object]]:
    if (execution.gpus or 0) > 1:
        yield "resources.gpus", execution.gpus
    for name in ("nodes", "tensor_parallel"):
        if (getattr(execution, name) or 1) > 1:
            yield f"resources.{name}", getattr(execution, name)
    if execution.sleep_mode:
        yield "resources.sleep_mode", execution.sleep_mode
