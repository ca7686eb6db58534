"""What a specification may say and this version's trial cannot do yet: refused by name before anything starts.

A trial never ignores a setting. What is listed here is planned, costed and hashed like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator

from workers.generation.server_limits import reasons_against_server
from workers.micro_batches import micro_batch, share_of_update
from workers.milestones import last_step
from workers.spec import Evaluation, Execution, TrialSpec
from workers.training.trl_losses import trl_trainer, unlike_trl

# Free text is judged by another model, and there is none yet.
_UNJUDGED = ("stem_web", "stem__web")
_GPUS_OF_A_MACHINE = 8


def unsupported(spec: TrialSpec) -> list[str]:
    """A sentence for each setting of `spec` that cannot be run."""
    settings = [f"{name} ({value}) cannot be run by this version" for name, value in _settings(spec)]
    return [
        *settings,
        *unlike_trl(spec.algorithm),
        *_without_tools(spec),
        *reasons_against_server(spec),
        *_unspread(spec.execution),
        *_undivided(spec),
        *_undefined(spec),
    ]


def _settings(spec: TrialSpec) -> Iterator[tuple[str, object]]:
    for source in spec.data.sources or ():
        if source.startswith(_UNJUDGED):
            yield "data.sources", source
    for evaluation in spec.evaluations:
        for name in ("benchmark", "protocol", "top_p", "max_completion_tokens"):
            if getattr(evaluation, name) != Evaluation.model_fields[name].default:
                yield f"evaluations.{name}", getattr(evaluation, name)


def _without_tools(spec: TrialSpec) -> Iterator[str]:
    """Where TRL cannot have a policy call tools."""
    environment, execution = spec.environment, spec.execution
    if environment is None:
        return
    if trl_trainer(spec.algorithm) == "rloo":
        yield "environment does not go with loss.baseline leave_one_out, whose trainer calls no tools"
    if (execution.tensor_parallel or 1) > 1:
        yield (
            f"environment does not go with tensor_parallel {execution.tensor_parallel}: processes that share an engine "
            "would wait for each other's turns; use `tensor_parallel: 1`"
        )
    if execution.sleep_mode and (execution.gpus or 0) > 1:
        yield (
            f"environment does not go with sleep_mode on {execution.gpus} GPUs: an engine that wakes for a turn "
            "gathers the weights, and the GPUs take different numbers of turns; use `sleep_mode: false`"
        )
    if environment.factory and not execution.gpus and execution.processes > 1:
        yield (
            f"environment.factory does not go with resources.processes {execution.processes}: on CPUs every process "
            "draws all completions, and each of those has an environment in one process alone; use `processes: 1`"
        )


def _unspread(execution: Execution) -> Iterator[str]:
    """Every node of a trial has as many of its processes as the others, and whole engines."""
    processes, nodes = execution.num_processes, execution.num_nodes
    named = f"{execution.gpus} GPUs" if execution.gpus else f"{processes} processes"
    if processes % nodes:
        yield f"resources.nodes {nodes} does not divide a trial's {named}; every node has as many as the others"
        return
    if execution.gpus and processes // nodes > _GPUS_OF_A_MACHINE:
        yield (
            f"resources.gpus {execution.gpus} is {processes // nodes} on each of a trial's nodes, and a machine has "
            f"{_GPUS_OF_A_MACHINE}; give it more `nodes`"
        )
    if nodes > 1 and (processes // nodes) % (execution.tensor_parallel or 1):
        yield (
            f"resources.tensor_parallel {execution.tensor_parallel} does not divide the {processes // nodes} processes "
            "on each of a trial's nodes, and an engine is on one node"
        )


def _undivided(spec: TrialSpec) -> Iterator[str]:
    """A pass that does not divide a process's share of an update would leave the rest of the share untrained."""
    share, size = share_of_update(spec), micro_batch(spec)
    if share % size:
        yield (
            f"resources.micro_batch {size} does not divide the {share} completions of an update that each of "
            f"{spec.execution.num_processes} processes has; give a divisor of {share}"
        )


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
