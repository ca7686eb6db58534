"""What a user should know before such a sweep runs: nothing here stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from orchestrator.planning.gpus import GIGABYTE, GpuType
from orchestrator.planning.hours import ASSUMED_UTILISATION
from orchestrator.planning.kind_plan import KindPlan
from orchestrator.planning.scoring import ASSUMED_HELDOUT_PROBLEMS
from orchestrator.planning.totals import Totals
from orchestrator.planning.trial_plan import PlannedKind
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.running import Expected, Limits

_SMALLEST_JUDGED = ASSUMED_UTILISATION[0][0]


def cautions(
    sweep: SweepFile, kinds: Sequence[PlannedKind], totals: Totals, *, asked_gpu: GpuType | None = None
) -> list[str]:
    """A sentence each, those that hold for several kinds once. `asked_gpu` is what the user asked for by `--gpu`."""
    plans = [kind.plan for kind in kinds]
    checks: tuple[Callable[[KindPlan], str | None], ...] = (
        _beyond_the_data,
        _budgets_in_one_step,
        _little_memory,
        _too_small_for_a_gpu,
        _unknown_heldout_problems,
        _drawn_again,
        lambda plan: _longer_than_allowed(plan, sweep.expected),
    )
    found = [sentence for check in checks for sentence in _collected(plans, check)]
    return [*_unused_gpu(plans, asked_gpu), *found, *_limits_reached(sweep.limits, totals)]


def _collected(plans: Sequence[KindPlan], check: Callable[[KindPlan], str | None]) -> Iterator[str]:
    """What a check says, with the kinds of which it says the same."""
    said: dict[str, list[str]] = {}
    for plan in plans:
        sentence = check(plan)
        if sentence is not None:
            said.setdefault(sentence, []).append(plan.kind.label)
    for sentence, labels in said.items():
        yield sentence if len(labels) == len(plans) else f"{some(labels)}: {sentence}"


def some(labels: Sequence[str]) -> str:
    """The first of several labels, and how many more there are."""
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"


def _beyond_the_data(plan: KindPlan) -> str | None:
    spec, samples = plan.kind.spec, plan.last.samples
    pool = spec.data.total_prompts
    if not isinstance(pool, int) or samples <= pool:
        return None
    return (
        f"the budget of {spec.budget.last:g} {spec.budget.unit} is about {samples:,} prompts, and data.total_prompts "
        f"is {pool:,}: prompts would be used more than tau = {spec.data.tau} times"
    )


def _budgets_in_one_step(plan: KindPlan) -> str | None:
    steps = [milestone.steps for milestone in plan.cost.milestones]
    if len(set(steps)) == len(steps):
        return None
    unit = plan.kind.spec.budget.unit
    return f"several budgets are reached in the same step, which is {plan.cost.step.spent(unit):g} {unit}"


def _little_memory(plan: KindPlan) -> str | None:
    given = plan.kind.spec.execution.memory_gb
    if plan.cpu_memory is None or plan.cpu_memory.total <= given * GIGABYTE:
        return None
    return (
        f"a trial may take {plan.cpu_memory.total / GIGABYTE:,.1f} GB of memory, the most for "
        f"{plan.cpu_memory.largest.replace('_', ' ')}, and resources.memory_gb is {given:g}"
    )


def _too_small_for_a_gpu(plan: KindPlan) -> str | None:
    """What is assumed of the speed is for models that keep a GPU busy."""
    params = plan.architecture.active_params
    if plan.on_gpus is None or plan.on_gpus.utilisation.source != "assumed" or params >= _SMALLEST_JUDGED / 10:
        return None
    return (
        f"{plan.on_gpus.utilisation.share.central:.0%} of a GPU's peak is assumed, which is for models of "
        f"{_SMALLEST_JUDGED / 1e9:.1f}B parameters and more; one of {params:,} takes longer than this plan says"
    )


def _unknown_heldout_problems(plan: KindPlan) -> str | None:
    if not any(scoring.is_problems_assumed for scoring in plan.scorings):
        return None
    data = plan.kind.spec.data
    return (
        f"how many problems of {data.heldout or data.train} are held out is not known here; evaluations are counted "
        f"with {ASSUMED_HELDOUT_PROBLEMS}"
    )


def _drawn_again(plan: KindPlan) -> str | None:
    if not plan.kind.spec.algorithm.dynamic_sampling:
        return None
    return "groups of equal rewards are drawn again (dynamic_sampling); what that costs is not in the plan"


def _longer_than_allowed(plan: KindPlan, expected: Expected) -> str | None:
    pairs = (
        ("prompt_tokens", expected.prompt_tokens, plan.recipe.max_prompt_tokens),
        ("completion_tokens", expected.completion_tokens, plan.recipe.max_completion_tokens),
    )
    wrong = [f"expected.{name} is {given:,g}, and at most {most:,} are allowed" for name, given, most in pairs
             if given is not None and given > most]  # fmt: skip
    return "; ".join(wrong) or None


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
