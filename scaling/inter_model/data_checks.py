"""Are the runs what a fit takes them for? Differences between seeds, mixed settings, other ends; whatever the law."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scaling.inter_model.estimate import Estimate
from scaling.inter_model.results import SizeFit
from scaling.observations import CONFIGURATION, Observations
from scaling.regression.intervals import run_sd
from scaling.results import Check, Severity
from scaling.wording import short

SEED_SPREAD = 2.0  # times the noise of one evaluation
SAME_END = math.log(1.1)  # of ln x: runs end together if they end this close
COST_DRIFT = 0.05  # exponent of FLOPs a prompt in samples
SIZE_OWN = ("model", "learning_rate")  # a size has its own model; rates may be tuned to it, and have a note (LR)
WORDS = {
    "group_size": "group size", "learning_rate": "learning rate", "prompts_per_step": "prompts a step",
    "updates_per_step": "updates a step", "kl_coefficient": "KL coefficient",
}  # fmt: skip


def check_seed_spread(estimate: Estimate) -> list[Check]:
    """F11: seeds lie further apart than the noise of evaluations can put them."""
    between = run_sd(estimate.design, estimate.free)
    if between is None:
        return []
    noise = math.sqrt(float(np.mean(estimate.spread.point[estimate.design.size] / estimate.free.weight)))
    if noise <= 0:
        return []
    ratio = between / noise
    if ratio <= SEED_SPREAD:
        message = f"Seeds differ by {between:.1%} in loss at equal x, evaluations of one run by {noise:.1%}."
        return [Check("F11", "ok", ratio, SEED_SPREAD, None, message)]
    fewest = int(np.bincount(estimate.design.run_size).min())
    severity: Severity = "note" if fewest >= 3 else "warning"
    advice = "Add seeds, not evaluations" if fewest < 3 else "More evaluations of these runs will not narrow it"
    message = (
        f"Seeds of one size differ by {between:.1%} in loss at equal x, {ratio:.1f} times the noise of an evaluation "
        f"({noise:.1%}). {advice}, and call no difference between single runs below "
        f"{2 * math.sqrt(2) * between:.0%} an effect."
    )
    return [Check("F11", severity, ratio, SEED_SPREAD, None, message)]


def check_configuration(observations: Observations) -> list[Check]:
    """F15: runs of one size that are not repeats of one configuration, sizes that differ in more than size, and an x
    that is not the same thing in all runs.
    """
    train = np.flatnonzero(observations.where("train"))
    own = (*SIZE_OWN, "prompts_per_step") if observations.x_kind == "steps" else SIZE_OWN  # `_steps` says more of it
    found = []
    for name in CONFIGURATION:
        values = observations.configuration[name]
        by_size: dict[int, set[object]] = {}
        for row in train:
            by_size.setdefault(int(observations.num_params[row]), set()).add(values[row])
        mixed = [size for size, used in by_size.items() if len(used) > 1]
        if mixed:
            found.append(_within_sizes(name, mixed, by_size))
        elif name not in own and len(set.union(*by_size.values())) > 1:
            found.append(_across_sizes(name, by_size))
    return [*found, *_steps(observations)]


def _within_sizes(name: str, mixed: Sequence[int], by_size: Mapping[int, set[object]]) -> Check:
    used = _listed(set.union(*(by_size[size] for size in mixed)))
    sizes = ", ".join(map(short, mixed))
    message = (
        f"Runs of {sizes} differ in {_words(name)} ({used}) and are fitted as repeats of one configuration. Select one "
        f"(--where {name}=...), or read the slope as an average over them."
    )
    return Check("F15", "warning", float(len(mixed)), 0.0, mixed[0], message)


def _across_sizes(name: str, by_size: Mapping[int, set[object]]) -> Check:
    sizes = sorted(by_size)
    ends = " and ".join(f"{_listed(by_size[size])} at {short(size)}" for size in (sizes[0], sizes[-1]))
    message = (
        f"Sizes differ in {_words(name)} too (as {ends}): what it does to learning is counted as the effect of size. "
        "Compare sizes with the same settings."
    )
    return Check("F15", "warning", float(len(set.union(*by_size.values()))), 1.0, None, message)


def _words(name: str) -> str:
    return WORDS.get(name, name)


def _listed(values: set[object]) -> str:
    return ", ".join(sorted("not known" if each is None else _written(each) for each in values))


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _steps(observations: Observations) -> list[Check]:
    batches = np.unique(observations.prompts_per_step[observations.where("train")])
    batches = batches[~np.isnan(batches)]
    if observations.x_kind != "steps" or len(batches) < 2:
        return []
    message = (
        f"x counts steps, and a step is {batches.min():g} to {batches.max():g} prompts in these runs: equal x is not "
        "equal data. Fit over --x data instead."
    )
    return [Check("F15", "warning", float(len(batches)), 1.0, None, message)]


def check_ends(estimate: Estimate) -> list[Check]:
    """Runs of one size that end at different x have no common last loss."""
    design = estimate.design
    found = []
    for size in range(design.num_sizes):
        ends = [float(design.log_x[design.run == run].max()) for run in design.runs_of(size)]
        if max(ends) - min(ends) > SAME_END:
            num_params = int(design.sizes[size])
            message = (
                f"Runs of {short(num_params)} end at different x ({math.exp(min(ends)):.3g} to "
                f"{math.exp(max(ends)):.3g}): their last losses and forecasts are taken at the largest x that all "
                "reached."
            )
            found.append(
                Check("ENDS", "note", math.exp(max(ends) - min(ends)), math.exp(SAME_END), num_params, message)
            )
    return found


def check_cost(observations: Observations, estimate: Estimate) -> list[Check]:
    """Whether compute and data are one axis: ln C = ln D + ln(FLOPs a prompt), so k over both is equal as long as the
    cost of a prompt stays what it is. Completions that grow while a model learns make it grow too.
    """
    if observations.x_kind not in ("flops", "samples"):
        return []
    design = estimate.design
    samples, flops = observations.samples[design.rows], observations.flops[design.rows]
    if not (np.all(samples > 0) and np.all(flops > 0)):
        return []
    log_data, log_cost = np.log(samples), np.log(flops)
    growth = {}
    for size in range(design.num_sizes):
        runs = [design.run == run for run in design.runs_of(size)]
        data = np.concatenate([log_data[run] - log_data[run].mean() for run in runs])
        cost = np.concatenate([log_cost[run] - log_cost[run].mean() for run in runs])
        if data @ data > 0:
            growth[int(design.sizes[size])] = float(data @ cost / (data @ data)) - 1.0
    if not growth:
        return []
    worst = max(growth, key=lambda size: abs(growth[size]))
    drift = growth[worst]
    if abs(drift) <= COST_DRIFT:
        message = "FLOPs a prompt stay what they are while runs go on: k over data and over compute say the same."
        return [Check("COST", "ok", drift, COST_DRIFT, None, message)]
    message = (
        f"FLOPs a prompt {'grow' if drift > 0 else 'fall'} while runs go on (at {short(worst)} as "
        f"samples^{drift:+.2f}), so k over compute is {1 / (1 + drift):.2f} of k over data there. Quote the axis with "
        "every k."
    )
    return [Check("COST", "note", drift, COST_DRIFT, worst, message)]


def check_nominal_sizes(sizes: Sequence[SizeFit]) -> list[Check]:
    """Round numbers are names of models, not counts of parameters; N_0 and N must be counted alike."""
    nominal = [size.num_params for size in sizes if size.num_params >= 10**6 and _is_round(size.num_params)]
    if len(nominal) < max(2, len(sizes) - 1):
        return []
    message = (
        f"N looks nominal ({', '.join(map(short, nominal))} to the digit), not counted without embeddings: N_0 is then "
        "in nominal parameters too, and small models, of which embeddings are a large part, count as too large."
    )
    return [Check("ROUND", "note", float(len(nominal)), None, None, message)]


def _is_round(num_params: int) -> bool:
    return not num_params % int(10 ** (len(str(num_params)) - 2))
