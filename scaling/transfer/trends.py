"""Do gains rise with model size, and with the gain in domain? Rank correlations, no law assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scaling.observations import FloatArray
from scaling.transfer.results import Coupling, Transfer, Trend

MIN_SIZES = 4
MIN_RUNS = 4
EXACT_UP_TO = 50_000  # permutations: all those of eight models; more models are sampled


def trend_of(transfers: Sequence[Transfer], seed: int) -> Trend | None:
    """Relative gain against size over the models of one benchmark, all runs ending at one step; None below four sizes
    or without any difference.
    """
    from scipy.stats import permutation_test, rankdata

    judged = [(each.num_params, each.relative_gain.value) for each in transfers if each.relative_gain is not None]
    if len({size for size, _ in judged}) < MIN_SIZES:
        return None
    sizes, gains = rankdata([size for size, _ in judged]), rankdata([gain for _, gain in judged])
    if np.ptp(gains) == 0:
        return None

    def statistic(ranks: FloatArray, axis: int = -1) -> FloatArray:
        centred = sizes - sizes.mean()
        spread = math.sqrt(float(centred @ centred)) * np.linalg.norm(
            ranks - ranks.mean(axis=axis, keepdims=True), axis=axis
        )
        correlation: FloatArray = np.sum(ranks * centred, axis=axis) / spread
        return correlation

    test = permutation_test(
        (gains,), statistic, permutation_type="pairings", vectorized=True, n_resamples=EXACT_UP_TO,
        rng=np.random.Generator(np.random.PCG64(seed)),
    )  # fmt: skip
    first = transfers[0]
    return Trend(
        benchmark=first.benchmark,
        protocol=first.protocol,
        at_step=first.runs[0].last_step,
        num_models=len(judged),
        rank_correlation=float(test.statistic),
        p_value=float(test.pvalue),
    )


def coupling_of(transfers: Sequence[Transfer], in_domain: Mapping[int, float]) -> Coupling | None:
    """Gains of one benchmark against those in domain, `in_domain` by trial; None below four runs with both."""
    found = [
        (model, run.gain, in_domain[run.trial_id])
        for model, transfer in enumerate(transfers)
        for run in transfer.runs
        if run.trial_id in in_domain
    ]
    if len(found) < MIN_RUNS:
        return None
    model = np.array([each[0] for each in found])
    here, there = (np.array([each[side] for each in found]) for side in (1, 2))
    correlation = _rank_correlation(here, there)
    if correlation is None:
        return None
    first = transfers[0]
    return Coupling(
        benchmark=first.benchmark,
        protocol=first.protocol,
        at_step=first.runs[0].last_step,
        num_runs=len(found),
        num_models=len(np.unique(model)),
        rank_correlation=correlation,
        within_models=_within(model, here, there),
    )


def _within(model: np.ndarray, here: FloatArray, there: FloatArray) -> float | None:
    repeated = np.bincount(model)[model] > 1
    if repeated.sum() - len(np.unique(model[repeated])) < MIN_RUNS - 1:
        return None
    _, index = np.unique(model[repeated], return_inverse=True)
    sides = [
        values[repeated] - (np.bincount(index, values[repeated]) / np.bincount(index))[index]
        for values in (here, there)
    ]
    return _rank_correlation(sides[0], sides[1])


def _rank_correlation(first: FloatArray, second: FloatArray) -> float | None:
    """Spearman's; None where one side does not vary."""
    from scipy.stats import rankdata

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
