"""Whether forecasts hold what comes: mean curves, new runs, sizes that nobody trained, and handovers between sizes.

Simulated studies of the published layout in the six regimes of the recovery benchmark; the level of each size lies off
a line in ln N by 2%. Every number is the share of nominal 95% intervals that hold the truth.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from benchmarks.fitting_data import EVALUATIONS, SIZES, SLOPES, redrawn, study
from benchmarks.fitting_recovery import REGIMES
from benchmarks.measure import print_figure
from scaling.forecasting.frontier import frontier
from scaling.forecasting.predict import predict
from scaling.forecasting.results import Frontier
from scaling.observations import Observations
from scaling.synthetic import Noise

REPLICATES = 100
LEVEL_SCATTER = 0.02
LARGEST, MIDDLE = SIZES[-1], SIZES[3]
BEYOND = 5 * EVALUATIONS  # steps: a third of the observed range of ln x beyond its end


def main() -> None:
    sure = math.sqrt(0.95 * 0.05 / REPLICATES)
    print(f"{REPLICATES} studies in each regime, standard error of a share {sure:.3f}")
    for name, (seeds, noise) in REGIMES.items():
        prompts, flops = study(seeds=seeds), study(seeds=seeds, x="flops")
        held: dict[str, list[bool]] = defaultdict(list)
        for replicate in range(REPLICATES):
            _one(prompts, flops, noise, np.random.default_rng((10, replicate)), held)
        for what, hits in held.items():
            share = float(np.mean(hits))
            beside = "one run a size cannot show how runs differ" if len(seeds) == 1 and noise.level_sd else ""
            print_figure(
                f"{name}: {what}", f"{share:.3f} of {len(hits)}", target=">=.90", met=share >= 0.9, beside=beside
            )


def _one(
    prompts: Observations, flops: Observations, noise: Noise, rng: np.random.Generator, held: dict[str, list[bool]]
) -> None:
    scatter = LEVEL_SCATTER * rng.normal(size=len(SIZES))
    levels = np.log(0.9) - 0.05 * np.log(np.asarray(SIZES) / SIZES[0]) + scatter
    first = np.exp(levels)
    drawn = redrawn(prompts, rng, noise=noise, first_losses=first)
    per_step = float(drawn.x[0] / drawn.step[0])
    at = [EVALUATIONS * per_step, BEYOND * per_step]
    zero_shot = predict(drawn, sizes=[LARGEST], x=at, holdout=[LARGEST], draws=400).predictions
    for each in (*predict(drawn, sizes=[MIDDLE], x=at, draws=400).predictions, *zero_shot):
        index = SIZES.index(each.num_params)
        k = SLOPES[each.num_params]
        truth = float(levels[index] - k * math.log(each.x / per_step))
        measured = truth + _gap_of_a_run(k, math.log(each.x / per_step), noise, rng)
        kind = each.label.split("(")[0]
        assert each.mean is not None
        assert each.new_run is not None
        held[f"{kind}, mean curve"].append(each.mean.low <= math.exp(truth) <= each.mean.high)
        held[f"{kind}, new run"].append(each.new_run.low <= math.exp(measured) <= each.new_run.high)
    found = frontier(redrawn(flops, rng, noise=noise, first_losses=first), draws=400)
    held["handovers"] += _handovers(found, levels, float(flops.x[0] / flops.step[0]) / SIZES[0])


def _gap_of_a_run(k: float, reach: float, noise: Noise, rng: np.random.Generator) -> float:
    level, slope, point = rng.normal(size=3)
    return noise.level_sd * level - noise.slope_sd * k * reach * slope + noise.point_sd * point


def _handovers(found: Frontier, levels: np.ndarray, per_step: float) -> list[bool]:
    """Whether each interval holds the x at which the two curves of the law cross."""
    hits = []
    for each in found.handovers:
        ends = [
            levels[SIZES.index(size)] + SLOPES[size] * math.log(per_step * size) for size in (each.after, each.before)
        ]
        truth = (ends[0] - ends[1]) / (SLOPES[each.after] - SLOPES[each.before])
        hits.append(math.log(each.low or 1e-300) <= truth <= math.log(each.high or 1e300))
    return hits


if __name__ == "__main__":
    main()
