"""Are the runs what a fit takes them for? Differences between seeds, and mixed definitions; whatever the law."""

import math

import numpy as np

from scaling.inter_model.estimate import Estimate
from scaling.observations import Observations
from scaling.regression.intervals import run_sd
from scaling.results import Check, Severity
from scaling.wording import short

SEED_SPREAD = 2.0  # times the noise of one evaluation


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


def check_mixture(observations: Observations) -> list[Check]:
    """F15: runs of one size that are not repeats of one configuration, or sizes whose x is not the same thing."""
    train = observations.where("train")
    settings: dict[str, list[object]] = {
        "model": list(observations.model),
        "group size": observations.group_size.tolist(),
        "tau": np.nan_to_num(observations.tau, nan=-1.0).tolist(),
        "learning rate": np.nan_to_num(observations.learning_rate, nan=-1.0).tolist(),
        "prompts a step": np.nan_to_num(observations.prompts_per_step, nan=-1.0).tolist(),
    }
    found = []
    for name, values in settings.items():
        for size in observations.sizes():
            used = {values[i] for i in np.flatnonzero(train & (observations.num_params == size))}
            if len(used) > 1:
                message = (
                    f"Runs of {short(size)} differ in {name} ({len(used)} values) and are fitted as repeats of one "
                    "configuration. Select one, or read the slope as an average over them."
                )
                found.append(Check("F15", "warning", float(len(used)), 1.0, size, message))
                break
    return [*found, *_steps(observations)]


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
