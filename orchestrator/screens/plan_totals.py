"""What all trials of a plan come to, in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.planning.cost import ExpectedLengths
from orchestrator.planning.hours import Utilisation
from orchestrator.planning.kind_plan import KindPlan, OnGpus
from orchestrator.planning.plan import SweepPlan
from orchestrator.planning.totals import Totals
from orchestrator.screens.plan_units import digits, flops, hours_interval, interval, size
from workers.gpus import GIGABYTE

_PHASES = {
    "generation": "generation",
    "old_logprob": "old log-probs",
    "reference": "reference",
    "train": "training",
    "evaluation": "evaluation",
}


def totals_of(plan: SweepPlan) -> Iterator[tuple[str, str]]:
    """(name, text) of each line; what does not concern the sweep is left out."""
    totals = plan.totals
    yield "Trials", _trials(totals) + _left_out(plan.num_made_equal)
    if beyond := next((text for kind in plan.kinds if (text := _beyond_the_budget(kind.plan))), None):
        yield "Budget", beyond
    yield "FLOPs", _flops(totals)
    if totals.sharing_saves_flops:
        yield "Shared", f"one run for all budgets of a trial saves {flops(totals.sharing_saves_flops)} of training"
    if totals.separate_costs_flops:
        yield "Separate", f"a run for each budget costs {flops(totals.separate_costs_flops)} more than one for all"
    if totals.cached_flops:
        yield "Cached", _cached(totals)
    yield "GPU-hours", _gpu_hours(plan)
    if totals.cost is not None and totals.cost_left is not None:
        whole = f"; {interval(totals.cost)} with what is done" if totals.cached_flops else ""
        yield "Cost", f"{interval(totals.cost_left)}{whole}"
    yield "Wall time", _wall_time(plan)
    if on_gpus := [kind.plan.on_gpus for kind in plan.kinds if kind.plan.on_gpus is not None]:
        yield "GPU memory", _gpu_memory(on_gpus)
    if totals.trials_on_cpus:
        most = max(memory.total for kind in plan.kinds if (memory := kind.plan.cpu_memory) is not None)
        yield "Memory", f"up to {size(most)} for a trial on CPUs"
    yield "Storage", f"{size(totals.kept_bytes)} of checkpoints kept, {size(totals.peak_bytes)} at the worst moment"
    yield "Lengths", _lengths({kind.plan.lengths for kind in plan.kinds})


def _trials(totals: Totals) -> str:
    if totals.new == totals.trials:
        return f"{totals.trials:,}, all new"
    counts = ((totals.new, "new"), (totals.partly, "partly done"), (totals.done, "done"))
    return f"{totals.trials:,}: {', '.join(f'{number:,} {word}' for number, word in counts if number)}"


def _left_out(number: int) -> str:
    return f"; rules of `when` have left out {number:,} combination{'s' * (number != 1)}" if number else ""


def _beyond_the_budget(plan: KindPlan) -> str | None:
    """Where a last budget in prompts or steps is no whole number of steps: where the trial ends then."""
    budget, last = plan.kind.spec.budget, plan.last
    end = {"samples": last.samples, "steps": last.steps}.get(budget.unit)
    if end is None or end == budget.last:
        return None
    of = "" if budget.unit == "steps" else f" of {plan.cost.step.samples:,} prompts, at {end:,}"
    return (
        f"{budget.last:,.12g} {budget.unit} are no whole number of steps: a trial ends with the step that reaches its "
        f"last budget, here step {last.steps:,}{of}"
    )


def _flops(totals: Totals) -> str:
    phases = (f"{name} {flops(number)}" for phase, name in _PHASES.items() if (number := getattr(totals.flops, phase)))
    return f"{flops(totals.flops.total)}: {', '.join(phases)}"


def _cached(totals: Totals) -> str:
    saved = f"{flops(totals.cached_flops)} are done and are not computed again; {flops(totals.flops_left)} are left"
    return saved if totals.flops_left else f"{flops(totals.cached_flops)}, all there is: nothing is left to run"


def _gpu_hours(plan: SweepPlan) -> str:
    totals = plan.totals
    if totals.gpu_hours is None or totals.gpu_hours_left is None:
        return "none: the trials run on CPUs"
    left = f"{interval(totals.gpu_hours_left)} left of " if totals.cached_flops else ""
    kinds = [kind.plan.on_gpus for kind in plan.kinds if kind.plan.on_gpus is not None]
    gpus = " and ".join(dict.fromkeys(on_gpus.gpu.name for on_gpus in kinds))
    without = f"; {totals.trials_on_cpus:,} trials on CPUs have none" if totals.trials_on_cpus else ""
    shares = _shares([on_gpus.utilisation for on_gpus in kinds])
    return f"{left}{interval(totals.gpu_hours)} of {gpus} at {shares} of their peak{without}"


def _gpu_memory(kinds: Sequence[OnGpus]) -> str:
    """`15.4 to 65.7 GB of each GPU at the peak, and what is free for the cache; micro-batch 1 to 8`."""
    taken = _range([each.placement.needed_bytes / GIGABYTE for each in kinds])
    micro_batches = _range([each.placement.micro_batch for each in kinds])
    return f"{taken} GB of each GPU at the peak, and what is free for the cache; micro-batch {micro_batches}"


def _shares(utilisations: list[Utilisation]) -> str:
    """`5% to 15% (assumed)`, `13% (measured)`."""
    low, high = (f"{end(each.share.central for each in utilisations):.2g}" for end in (min, max))
    sources = " or ".join(sorted({each.source for each in utilisations}))
    lowest, highest = (f"{digits(float(share) * 100)}%" for share in (low, high))
    return f"{lowest} ({sources})" if lowest == highest else f"{lowest} to {highest} ({sources})"


def _wall_time(plan: SweepPlan) -> str:
    totals = plan.totals
    if totals.wall_hours is None:
        return (
            f"not known: {totals.trials_of_unknown_time:,} of the trials are of kinds of which none has ended on a CPU "
            "yet"
        )
    if totals.done == totals.trials:
        return "none: everything is done"
    places = []
    if totals.gpus_at_once:
        places.append(_gpus(totals))
    if totals.trials_on_cpus:
        places.append(f"{plan.means.cpus} CPUs")
    return f"{hours_interval(totals.wall_hours)} on {' and '.join(places)}"


def _gpus(totals: Totals) -> str:
    """`1 GPU`; `384 GPUs at once (32 for the largest trial)`."""
    most = digits(totals.most_gpus)
    if totals.gpus_at_once <= totals.most_gpus:
        return f"{digits(totals.gpus_at_once)} GPU{'s' if totals.gpus_at_once > 1 else ''}"
    return f"{digits(totals.gpus_at_once)} GPUs at once ({most} for the largest trial)"


def _lengths(lengths: set[ExpectedLengths]) -> str:
    """One sentence where all kinds agree, else the range."""
    sources = " or ".join(sorted({each.source for each in lengths}))
    prompts = _range([each.prompt_tokens for each in lengths])
    completions = _range([each.completion_tokens for each in lengths])
    return f"{prompts} prompt and {completions} completion tokens ({sources})"


def _range(values: Sequence[float]) -> str:
    low, high = digits(min(values)), digits(max(values))
    return low if low == high else f"{low} to {high}"
