"""What one trial of a kind needs: where it runs, what it computes, how long that takes and what it leaves on disk.

On a CPU nothing is assumed of the speed: without trials of the kind to go by its time is not known. GPU-hours of a
trial on CPUs are none, and None, not 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from orchestrator.planning.architectures import Architecture
from orchestrator.planning.cost import (
    ExpectedLengths,
    MilestoneCost,
    TrajectoryCost,
    step_cost,
    trajectory_cost,
)
from orchestrator.planning.hours import (
    Interval,
    Utilisation,
    assumed_utilisation,
    beside_server,
    given_utilisation,
    gpu_hours,
)
from orchestrator.planning.kinds import Kind
from orchestrator.planning.known import KnownRuns
from orchestrator.planning.layout import Placement
from orchestrator.planning.memory import PhaseMemory, Training, cpu_memory
from orchestrator.planning.placement import place
from orchestrator.planning.placing_case import BatchRecipe
from orchestrator.planning.scoring import Scoring, scorings
from orchestrator.planning.storage import CheckpointStorage, checkpoint_storage
from orchestrator.planning.trial_inputs import expected_lengths, recipe_of, training_of, wishes_of
from orchestrator.sweepfile.running import Expected
from workers.gpus import GpuType, gpu_type
from workers.spec import Execution, TrialSpec

DEFAULT_GPU = "H100-80GB"


@dataclass(frozen=True)
class Means:
    """What there is to run on. `gpu` is for trials whose file names none; `gpus` is None for as many as wanted."""

    gpu: GpuType
    gpus: int | None
    cpus: int


@dataclass(frozen=True)
class PhaseFlops:
    """Model FLOPs by phase."""

    generation: float
    old_logprob: float
    reference: float
    train: float
    evaluation: float

    @property
    def training(self) -> float:
        """All that counts against a budget: everything but evaluation."""
        return self.generation + self.old_logprob + self.reference + self.train

    @property
    def total(self) -> float:
        return self.training + self.evaluation


@dataclass(frozen=True)
class OnGpus:
    """Where on GPUs a trial runs, and how fast.

    `number` is that of all its GPUs, its server's too; a share of one GPU where several trials have it.
    """

    gpu: GpuType
    number: float
    placement: Placement
    utilisation: Utilisation

    def hours(self, flops: float) -> Interval:
        """GPU-hours of that many FLOPs."""
        return gpu_hours(flops, self.gpu, self.utilisation)


@dataclass(frozen=True)
class KindPlan:
    """One trial of a kind. On a CPU `on_gpus` and `gpu_hours` are None, elsewhere `cpu_memory` is.

    `wall_hours` is None where nobody has measured, and so is `measured_memory_bytes`: the most that trials like it have
    taken of one such GPU.
    """

    kind: Kind
    architecture: Architecture
    recipe: BatchRecipe
    lengths: ExpectedLengths
    cost: TrajectoryCost
    scorings: tuple[Scoring, ...]
    on_gpus: OnGpus | None
    cpu_memory: PhaseMemory | None
    gpu_hours: Interval | None
    wall_hours: Interval | None
    storage: CheckpointStorage
    measured_memory_bytes: int | None = None

    @property
    def gpus(self) -> float:
        """GPUs that a trial holds, none on a CPU."""
        return 0.0 if self.on_gpus is None else self.on_gpus.number

    @property
    def last(self) -> MilestoneCost:
        """What the whole trajectory computes in training."""
        return self.cost.last

    @property
    def execution(self) -> Execution:
        """How its trials are run: what the file says, and what it leaves to the planner."""
        given = self.kind.spec.execution
        if self.on_gpus is None:
            return given
        placement = self.on_gpus.placement
        decided = {"gpus": placement.gpus, "micro_batch": placement.micro_batch, "sleep_mode": placement.sleep_mode}
        if placement.nodes > 1:
            decided["nodes"] = placement.nodes
        if given.server_gpus is None and placement.tensor_parallel > 1:
            decided["tensor_parallel"] = placement.tensor_parallel
        return given.model_copy(update=decided)

    @cached_property
    def flops(self) -> PhaseFlops:
        """The whole trial's."""
        evaluation = sum(scoring.flops for scoring in self.scorings)
        return PhaseFlops(**vars(self.last.flops), evaluation=evaluation)


def plan_kind(
    kind: Kind, architecture: Architecture, expected: Expected, *, means: Means, known: KnownRuns
) -> KindPlan:
    """Plan one trial of a kind. Raises DoesNotFitError, or SpecError for what the file asks and nobody can give."""
    spec = kind.spec
    recipe, training = recipe_of(spec), training_of(spec)
    lengths = expected_lengths(recipe, expected, known.lengths_of(kind))
    on_gpus = None
    if spec.execution.gpus != 0:
        gpu = means.gpu if spec.execution.gpu is None else gpu_type(spec.execution.gpu)
        utilisation = _utilisation(kind, architecture, gpu, expected, known)
        on_gpus = _on_gpus(spec, architecture, recipe, training, gpu=gpu, utilisation=utilisation, gpus=means.gpus)
    step = step_cost(
        architecture.shape,
        recipe,
        lengths,
        has_reference=spec.algorithm.kl_coefficient > 0,
        lora=training.lora,
        num_epochs=spec.algorithm.epochs_per_step,
    )
    step_hours = None if on_gpus is None else on_gpus.hours(step.flops.total).central
    cost = trajectory_cost(step, spec.budget.unit, spec.budget.at, step_gpu_hours=step_hours)
    milestones = tuple(sorted({milestone.steps for milestone in cost.milestones}))
    scored = scorings(spec.evaluations, spec.data, architecture.shape, lengths, milestones)
    hours = None if on_gpus is None else _trial_hours(spec, cost, scored, on_gpus)
    return KindPlan(
        kind=kind,
        architecture=architecture,
        recipe=recipe,
        lengths=lengths,
        cost=cost,
        scorings=scored,
        on_gpus=on_gpus,
        cpu_memory=_cpu_memory(spec, architecture, recipe, training) if on_gpus is None else None,
        gpu_hours=hours,
        wall_hours=(
            _cpu_hours(kind, cost, scored, known)
            if on_gpus is None or hours is None
            else hours.times(1 / on_gpus.number)
        ),
        storage=checkpoint_storage(
            architecture,
            milestones,
            every_steps=spec.execution.checkpoint_every_steps,
            keep_newest=spec.execution.checkpoints_kept,
            lora=training.lora,
        ),
        measured_memory_bytes=None if on_gpus is None else known.peak_memory_of(kind, on_gpus.gpu),
    )


def _on_gpus(
    spec: TrialSpec,
    architecture: Architecture,
    recipe: BatchRecipe,
    training: Training,
    *,
    gpu: GpuType,
    utilisation: Utilisation,
    gpus: int | None,
) -> OnGpus:
    shared_by = spec.execution.trials_per_gpu
    part = gpu
    if shared_by > 1:
        part = replace(gpu, name=f"{gpu.name}/{shared_by}", memory_bytes=gpu.memory_bytes / shared_by)
    placement = place(architecture, part, recipe, training, wishes_of(spec, gpus=gpus))
    if placement.server_gpus and utilisation.source == "assumed":
        utilisation = beside_server(utilisation, gpus=placement.gpus, server_gpus=placement.server_gpus)
    return OnGpus(gpu, placement.all_gpus / shared_by, placement, utilisation)


def _utilisation(
    kind: Kind, architecture: Architecture, gpu: GpuType, expected: Expected, known: KnownRuns
) -> Utilisation:
    if expected.utilization is not None:
        return given_utilisation(expected.utilization)
    return known.utilisation_of(kind, gpu) or assumed_utilisation(architecture.active_params)


def _trial_hours(spec: TrialSpec, cost: TrajectoryCost, scored: tuple[Scoring, ...], on_gpus: OnGpus) -> Interval:
    """Training and evaluation. A budget in GPU-hours is what it is; only how far it leads is uncertain."""
    evaluation = on_gpus.hours(sum(scoring.flops for scoring in scored))
    if spec.budget.unit == "gpu_hours":
        spent = cost.last.steps * on_gpus.hours(cost.step.flops.total).central
        return Interval(spent, spent, spent).plus(evaluation)
    return on_gpus.hours(cost.last.flops.total).plus(evaluation)


def _cpu_hours(kind: Kind, cost: TrajectoryCost, scored: tuple[Scoring, ...], known: KnownRuns) -> Interval | None:
    problems = sum(scoring.times * scoring.problems * (scoring.evaluation.samples or 1) for scoring in scored)
    return known.cpu_hours_of(kind, steps=cost.last.steps, scored_problems=problems)


def _cpu_memory(spec: TrialSpec, architecture: Architecture, recipe: BatchRecipe, training: Training) -> PhaseMemory:
    return cpu_memory(
        architecture,
        training,
        # Where nothing is asked, the worker takes the completions of an update at once.
        micro_batch=spec.execution.micro_batch or recipe.completions_per_update,
        completions_per_step=recipe.completions_per_step,
        max_prompt_tokens=recipe.max_prompt_tokens,
        max_completion_tokens=recipe.max_completion_tokens,
    )
