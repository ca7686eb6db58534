"""The plan of a sweep: every trial's needs, what of it the database has, and what all of it comes to.

Nothing is started, written or reserved. A sweep of which some trials cannot run as asked has no plan: all of them are
named at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture, architecture_of
from orchestrator.planning.kind_plan import DEFAULT_GPU, KindPlan, Means, plan_kind
from orchestrator.planning.kinds import Kind, kinds_of
from orchestrator.planning.known import KnownRuns
from orchestrator.planning.local_data import check_local_data
from orchestrator.planning.placement import DoesNotFitError
from orchestrator.planning.placing_case import named_gpus
from orchestrator.planning.plan_cautions import cautions, some
from orchestrator.planning.totals import Totals, add_up
from orchestrator.planning.trial_plan import PlannedKind, TrialPlan, with_trials
from orchestrator.runnable import reasons_against, shortened
from orchestrator.sweepfile.loading import LoadedSweep
from orchestrator.unscored import unscored
from workers.gpus import GpuType, gpu_type
from workers.spec import Model, TrialSpec


class UnplannableSweep(SpecError):
    """Trials that cannot run on what they are given."""


@dataclass(frozen=True)
class SweepPlan:
    """A whole sweep: its kinds of trials, its trials in the order of the file, and sums.

    `num_made_equal` combinations of axes are no trials of their own, since rules of `when` made them equal to others.
    """

    name: str
    question: str | None
    means: Means
    kinds: tuple[PlannedKind, ...]
    trials: tuple[TrialPlan, ...]
    totals: Totals
    warnings: tuple[str, ...]
    num_made_equal: int = 0


def plan_sweep(
    loaded: LoadedSweep,
    *,
    gpu: GpuType | None = None,
    gpus: int | None = None,
    known: KnownRuns | None = None,
    cpus: int | None = None,
) -> SweepPlan:
    """Plan a sweep for what the user has.

    `gpu` is for trials whose file names none; `gpus` is how many there are, None: as many as are wanted; `cpus` are
    those of the machine that CPU trials run on, this one unless told. Raises UnplannableSweep with every kind of
    trial that cannot run, and why.
    """
    known = known or KnownRuns()
    means = Means(gpu or gpu_type(DEFAULT_GPU), gpus, cpus or os.cpu_count() or 1)
    kinds = tuple(with_trials(plan, known) for plan in _plan_kinds(loaded, means, known))
    trials = _in_order(loaded, kinds)
    totals = add_up(kinds, trials, limits=loaded.sweep.limits, means=means)
    return SweepPlan(
        name=loaded.sweep.name,
        question=loaded.sweep.question,
        means=means,
        kinds=kinds,
        trials=trials,
        totals=totals,
        warnings=(
            *_not_runnable(loaded, kinds),
            *_unscored(trials, known),
            *cautions(loaded.sweep, kinds, totals, asked_gpu=gpu),
        ),
        num_made_equal=loaded.num_made_equal,
    )


def _not_runnable(loaded: LoadedSweep, kinds: Sequence[PlannedKind]) -> list[str]:
    """What `submit` would refuse, of the file and of what is planned for it."""
    plans = [kind.plan for kind in kinds]
    # One trial for each number of GPUs, as it is planned, stands for all that have as many.
    by_gpus = {(plan.gpus, plan.on_gpus and plan.on_gpus.placement.sleep_mode): plan for plan in plans}
    planned = (plan.kind.spec.model_copy(update={"execution": plan.execution}) for plan in by_gpus.values())
    # Thousands of kinds are the products of a few parts.
    specs = {_parts_but_the_model(plan.kind.spec): plan.kind.spec for plan in plans}
    by_model = {id(plan.kind.spec.model): plan.kind.spec for plan in plans}
    reasons = reasons_against(loaded, (*planned, *by_model.values(), *specs.values()))
    if not reasons:
        return []
    return [f"this version cannot run this yet: {shortened(reasons)}; `submit` will refuse it"]


def _parts_but_the_model(spec: TrialSpec) -> tuple[int, ...]:
    return tuple(id(getattr(spec, name)) for name in TrialSpec.model_fields if name not in ("model", "seed"))


def _unscored(trials: Sequence[TrialPlan], known: KnownRuns) -> list[str]:
    """What the file asks of trials that are done, and that they do not have."""
    done = [trial for trial in trials if trial.cached == "done"]
    return unscored(
        (trial.plan.kind.spec, known.reached[trial.science_hash].step, known.scores.get(trial.science_hash, {}))
        for trial in done
    )


def _plan_kinds(loaded: LoadedSweep, means: Means, known: KnownRuns) -> list[KindPlan]:
    plans: list[KindPlan] = []
    reasons: dict[str, list[str]] = {}
    architectures: dict[Model, Architecture | SpecError] = {}
    for kind in kinds_of(loaded.trials):
        try:
            plans.append(_plan(kind, loaded, means, known, architectures))
        except SpecError as error:
            reasons.setdefault(str(error), []).append(kind.label)
    if reasons:
        listed = "\n".join(f"  {some(labels[0], len(labels))}: {reason}" for reason, labels in reasons.items())
        raise UnplannableSweep(f"{loaded.source.name} has trials that cannot be planned:\n{listed}")
    return plans


def _plan(
    kind: Kind,
    loaded: LoadedSweep,
    means: Means,
    known: KnownRuns,
    architectures: dict[Model, Architecture | SpecError],
) -> KindPlan:
    """Raises SpecError. A model that the hub does not know is asked for once."""
    check_local_data(kind.spec)
    model = kind.spec.model
    if model not in architectures:
        architectures[model] = _architecture(model)
    architecture = architectures[model]
    if isinstance(architecture, SpecError):
        raise architecture
    plan = plan_kind(kind, architecture, loaded.sweep.expected, means=means, known=known)
    if means.gpus is not None and plan.on_gpus is not None and plan.gpus > means.gpus:
        wanted = named_gpus(plan.on_gpus.placement.all_gpus, plan.on_gpus.gpu)
        raise DoesNotFitError(f"resources.gpus asks for {wanted} a trial, and there are {means.gpus}.")
    return plan


def _architecture(model: Model) -> Architecture | SpecError:
    try:
        return architecture_of(model)
    except SpecError as error:
        return error


def _in_order(loaded: LoadedSweep, kinds: Sequence[PlannedKind]) -> tuple[TrialPlan, ...]:
    """The trials in the order of the file."""
    planned = {
        id(expanded): trial
        for kind in kinds
        for expanded, trial in zip(kind.plan.kind.trials, kind.trials, strict=True)
    }
    return tuple(planned[id(trial)] for trial in loaded.trials)
