"""What a specification may say and this version's trial cannot do yet: refused by name before anything starts.

A trial never ignores a setting. What is listed here is planned, costed and hashed like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator

from workers.milestones import last_step
from workers.spec import Evaluation, Execution, TrialSpec
from workers.training.trl_losses import unlike_trl

# Programs are judged in a sandbox and free text by another model; there is neither yet.
_UNJUDGED = ("codegen", "stem_web")
_GPUS_OF_A_MACHINE = 8  # the processes of a trial are on one


def unsupported(spec: TrialSpec) -> list[str]:
    """A sentence for each setting of `spec` that cannot be run."""
    settings = [f"{name} ({value}) cannot be run by this version" for name, value in _settings(spec)]
    return settings + list(unlike_trl(spec.algorithm)) + list(_undefined(spec))


def _settings(spec: TrialSpec) -> Iterator[tuple[str, object]]:
    for source in spec.data.sources or ():
        if source.startswith(_UNJUDGED):
            yield "data.sources", source
    if spec.environment is not None:
        yield "environment", spec.environment
    for evaluation in spec.evaluations:
        for name in ("benchmark", "protocol", "top_p", "max_completion_tokens"):
            if getattr(evaluation, name) != Evaluation.model_fields[name].default:
                yield f"evaluations.{name}", getattr(evaluation, name)
    yield from _execution(spec.execution)


def _execution(execution: Execution) -> Iterator[tuple[str, object]]:
    if (execution.gpus or 0) > _GPUS_OF_A_MACHINE:
        yield "resources.gpus", execution.gpus
    if (execution.nodes or 1) > 1:
        yield "resources.nodes", execution.nodes


def _undefined(spec: TrialSpec) -> Iterator[str]:
    """What cannot be done for want of something that the specification does not say."""
    unit = spec.budget.unit
    if spec.optimizer.schedule != "constant" and last_step(spec.budget, spec.algorithm) is None:
        yield (
            f"optimizer.schedule {spec.optimizer.schedule} falls until the last budget, and at which step that is "
            f"reached is not known in {unit}; give budgets in steps or samples"
        )
    if spec.data.train is not None and any(each.method == "answer_probability" for each in spec.evaluations):
        yield (
            "evaluations.method answer_probability is of answers with one spelling, and those of data.train have many; "
            "use `method: sampled`"
        )
    if unit == "gpu_hours" and not spec.execution.num_gpus:
        yield "a budget in gpu_hours is never reached on a CPU; give it in another unit, or the trial a GPU"
