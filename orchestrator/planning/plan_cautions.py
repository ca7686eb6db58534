"""What a user should know before such a sweep runs: nothing here stops it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from orchestrator.planning.hours import ASSUMED_UTILISATION
from orchestrator.planning.kind_plan import KindPlan
from orchestrator.planning.local_data import last_prompts, local_data_facts
from orchestrator.planning.placing_case import USABLE_SHARE
from orchestrator.planning.scoring import ASSUMED_HELDOUT_PROBLEMS
from orchestrator.planning.totals import Totals
from orchestrator.planning.trial_plan import PlannedKind
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.running import Expected, Limits
from workers.gpus import GIGABYTE, GpuType

_SMALLEST_JUDGED = ASSUMED_UTILISATION[0][0]


class Caution(NamedTuple):
    """What holds for a kind, and how bad it is among those of the same check."""

    sentence: str
    weight: float = 0.0


Check = Callable[[KindPlan], Caution | None]


def cautions(
    sweep: SweepFile, kinds: Sequence[PlannedKind], totals: Totals, *, asked_gpu: GpuType | None = None
) -> list[str]:
    """A sentence each, those that hold for several kinds once. `asked_gpu` is what the user asked for by `--gpu`."""
    plans = [kind.plan for kind in kinds]
    checks: tuple[Check, ...] = (
        _beyond_the_data,
        _of_local_data,
        _budgets_in_one_step,
        _little_memory,
        _engine_share,
        _measured_memory,
        _too_small_for_a_gpu,
        _unknown_heldout_problems,
        _drawn_again,
        _scored_without_tools,
        lambda plan: _longer_than_allowed(plan, sweep.expected),
    )
    found = [sentence for check in checks for sentence in _collected(plans, check)]
    return [*_unused_gpu(plans, asked_gpu), *found, *_limits_reached(sweep.limits, totals)]


def _collected(plans: Sequence[KindPlan], check: Check) -> Iterator[str]:
    """What a check says, with the kinds of which it says it; what differs in its numbers alone is said of the worst."""
    said: dict[Caution, list[KindPlan]] = {}
    for plan in plans:
        caution = check(plan)
        if caution is not None:
            said.setdefault(caution, []).append(plan)
    if not said:
        return
    worst = max(said, key=lambda caution: caution.weight)
    same = said[worst]
    others = sum(map(len, said.values())) - len(same)
    named = some(same[0].kind.label, len(same))
    if others:
        yield f"{named}: {worst.sentence}; the like holds for {others} other{'s' * (others > 1)}"
    else:
        yield worst.sentence if len(same) == len(plans) else f"{named}: {worst.sentence}"


def some(first: str, number: int) -> str:
    """The first of a number of kinds, and how many more there are."""
    return first if number == 1 else f"{first} and {number - 1} more"


def _beyond_the_data(plan: KindPlan) -> Caution | None:
    spec, samples = plan.kind.spec, plan.last.samples
    pool = spec.data.total_prompts
    if not isinstance(pool, int) or samples <= pool:
        return None
    return Caution(
        f"the budget of {spec.budget.last:g} {spec.budget.unit} is about {samples:,} prompts, and data.total_prompts "
        f"is {pool:,}: prompts would be used more than tau = {spec.data.tau} times",
        weight=samples / pool,
    )


def _of_local_data(plan: KindPlan) -> Caution | None:
    sentences = local_data_facts(plan.kind.spec.data, last_prompts=last_prompts(plan.kind.spec)).cautions
    return Caution("; ".join(sentences)) if sentences else None


def _budgets_in_one_step(plan: KindPlan) -> Caution | None:
    steps = [milestone.steps for milestone in plan.cost.milestones]
    if len(set(steps)) == len(steps):
        return None
    unit = plan.kind.spec.budget.unit
    each = plan.cost.step.spent(unit, gpu_hours=_step_hours(plan))
    return Caution(f"several budgets are reached in the same step, which is {each:g} {unit}", weight=each)


def _step_hours(plan: KindPlan) -> float | None:
    return None if plan.on_gpus is None else plan.on_gpus.hours(plan.cost.step.flops.total).central


def _little_memory(plan: KindPlan) -> Caution | None:
    given = plan.kind.spec.execution.memory_gb
    if plan.cpu_memory is None or plan.cpu_memory.total <= given * GIGABYTE:
        return None
    return Caution(
        f"a trial may take {plan.cpu_memory.total / GIGABYTE:,.1f} GB of memory, the most for "
        f"{plan.cpu_memory.largest.replace('_', ' ')}, and resources.memory_gb is {given:g}",
        weight=plan.cpu_memory.total,
    )


def _engine_share(plan: KindPlan) -> Caution | None:
    """The engine takes the share that the file says, whatever there would be for it."""
    execution, on_gpus = plan.kind.spec.execution, plan.on_gpus
    share = execution.engine_memory_share
    if on_gpus is None or execution.engine == "transformers":
        return None
    placement = on_gpus.placement
    if execution.gpu_memory_utilization is None and placement.all_gpus > 1:
        return None  # such trials are not run yet, and nobody chose that share for them
    memory, weights = on_gpus.gpu.memory_bytes, placement.generation.terms["engine_weights"]
    given = f"generation.gpu_memory_utilization is {share:g}, {share * memory / GIGABYTE:.3g} GB of each GPU"
    # On a server's GPUs there is nothing beside the engine.
    most = 1.0 if placement.server_gpus else (weights + placement.kv_room_bytes) / memory
    if share > most:
        return Caution(
            f"{given}: beside the rest of the trial {max(math.floor(100 * most) / 100, 0.01):g} is the most that fits",
            weight=share - most,
        )
    least = (weights + placement.wanted_cache_bytes) / memory
    # Somewhat fewer completions at a time only take somewhat longer.
    if share * memory - weights < placement.wanted_cache_bytes / 2:
        enough = math.ceil(100 * least) / 100
        instead = f"take {enough:g}" if enough <= most else "more does not fit beside the rest of the trial"
        return Caution(
            f"{given}: the engine's weights take {weights / GIGABYTE:.3g} GB, and the cache of the completions that it "
            f"should draw at a time {placement.wanted_cache_bytes / GIGABYTE:.3g} GB; {instead}",
            weight=least - share,
        )
    return None


def _measured_memory(plan: KindPlan) -> Caution | None:
    """What trials have taken of a GPU, against how many are to share one."""
    if plan.on_gpus is None or plan.measured_memory_bytes is None or plan.on_gpus.placement.all_gpus > 1:
        return None
    sharing, memory = plan.kind.spec.execution.trials_per_gpu, plan.on_gpus.gpu.memory_bytes
    room = max(math.floor(USABLE_SHARE * memory / plan.measured_memory_bytes), 1)
    if sharing <= room:
        return None
    return Caution(
        f"trials like it have taken {plan.measured_memory_bytes / GIGABYTE:.3g} GB of a {plan.on_gpus.gpu.name}, and "
        f"{sharing} are to share one: {room} at most {'fits' if room == 1 else 'fit'}",
        weight=sharing / room,
    )


def _too_small_for_a_gpu(plan: KindPlan) -> Caution | None:
    """What is assumed of the speed is for models that keep a GPU busy."""
    params = plan.architecture.active_params
    if plan.on_gpus is None or plan.on_gpus.utilisation.source != "assumed" or params >= _SMALLEST_JUDGED / 10:
        return None
    return Caution(
        f"{plan.on_gpus.utilisation.share.central:.0%} of a GPU's peak is assumed, which is for models of "
        f"{_SMALLEST_JUDGED / 1e9:.1f}B parameters and more; one of {params:,} takes longer than this plan says",
        weight=1 / params,
    )


def _unknown_heldout_problems(plan: KindPlan) -> Caution | None:
    if not any(scoring.is_problems_assumed for scoring in plan.scorings):
        return None
    data = plan.kind.spec.data
    return Caution(
        f"how many problems of {data.heldout or data.train} are held out is not known here; evaluations are counted "
        f"with {ASSUMED_HELDOUT_PROBLEMS}"
    )


def _drawn_again(plan: KindPlan) -> Caution | None:
    if not plan.kind.spec.algorithm.dynamic_sampling:
        return None
    return Caution("groups of equal rewards are drawn again (dynamic_sampling); what that costs is not in the plan")


def _scored_without_tools(plan: KindPlan) -> Caution | None:
    if plan.kind.spec.environment is None:
        return None
    return Caution(
        "held-out problems are answered without the environment's tools: scores say what the policy can alone"
    )


def _longer_than_allowed(plan: KindPlan, expected: Expected) -> Caution | None:
    pairs = (
        ("prompt_tokens", expected.prompt_tokens, plan.recipe.max_prompt_tokens),
        ("completion_tokens", expected.completion_tokens, plan.recipe.max_completion_tokens),
    )
    wrong = [f"expected.{name} is {given:,g}, and at most {most:,} are allowed" for name, given, most in pairs
             if given is not None and given > most]  # fmt: skip
    return Caution("; ".join(wrong)) if wrong else None


def _unused_gpu(plans: Sequence[KindPlan], asked: GpuType | None) -> Iterator[str]:
    if asked is not None and not any(plan.on_gpus and plan.on_gpus.gpu == asked for plan in plans):
        where = "the file names their GPU" if any(plan.on_gpus for plan in plans) else "the trials run on CPUs"
        yield f"--gpu {asked.name} is not used: {where}"


def _limits_reached(limits: Limits, totals: Totals) -> Iterator[str]:
    """Evaluation counts as well: it is paid like everything else."""
    planned = {
        "flops": totals.flops_left,
        "gpu_hours": None if totals.gpu_hours_left is None else totals.gpu_hours_left.central,
        "cost": None if totals.cost_left is None else totals.cost_left.central,
    }
    for name, expected in planned.items():
        limit = getattr(limits, name)
        if limit is not None and expected is not None and expected > limit:
            yield (
                f"limits.{name} is {limit:,g}, and {_number(expected)} are expected: trials will stop before "
                "their budgets"
            )


def _number(value: float) -> str:
    """`12,300`, `0.25`; with an exponent where a file would have one."""
    return f"{value:.3g}" if value < 999.5 or value >= 1e9 else f"{float(f'{value:.3g}'):,.0f}"
