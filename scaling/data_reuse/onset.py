"""Where harm sets in: the tau at which the mean difference reaches the margin, and how far that tau could be off."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scaling.data_reuse.noise import Noise
from scaling.data_reuse.pairs import Pair
from scaling.data_reuse.results import Onset, TauEffect
from scaling.observations import FloatArray
from scaling.regression.bootstrap import Z


def find_onset(
    effects: Sequence[TauEffect],
    pairs: Sequence[Pair],
    noise: Noise,
    windows: Sequence[FloatArray],
    *,
    level: float,
    draws: int,
    seed: int,
) -> Onset:
    """First crossing of `level` (of ln L) by the means, which start from 0 at tau = 1.

    Every draw takes seeds with replacement, the same for all taus as these share their twins, and moves a pair's mean
    by that of as many neighbouring residuals from elsewhere in the run. Its spread at each tau is then stretched to
    that tau's interval: few seeds and a fitted trend make a plain bootstrap too narrow.
    """
    log_tau = np.log([1.0, *(effect.tau for effect in effects)])
    means = np.array([effect.mean for effect in effects])
    estimate = float(_crossings(log_tau, means[None], level)[0])
    tau = math.exp(estimate) if math.isfinite(estimate) else None
    largest = effects[-1].tau
    if draws < 1 or any(effect.interval is None for effect in effects):
        return Onset(tau, None, None, None, largest)
    deviations = _deviations(effects, pairs, noise, windows, draws=draws, seed=seed)
    half = np.array([(e.interval.high - e.interval.low) / 2 if e.interval else 0.0 for e in effects])
    sd = deviations.std(axis=0)
    stretched = deviations * np.divide(half / Z, sd, out=np.zeros_like(sd), where=sd > 0)
    crossings = _crossings(log_tau, means + stretched, level)
    low, high = np.quantile(crossings, [0.025, 0.975], method="inverted_cdf")  # no arithmetic with infinity
    return Onset(tau, _tau(low), _tau(high), float(np.mean(np.isfinite(crossings))), largest)


def _deviations(
    effects: Sequence[TauEffect],
    pairs: Sequence[Pair],
    noise: Noise,
    windows: Sequence[FloatArray],
    *,
    draws: int,
    seed: int,
) -> FloatArray:
    """What the mean at each tau is off by, (draws, taus)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    seeds = sorted({pair.seed for pair in pairs})
    counts = rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=draws).astype(np.float64)
    columns = []
    for effect in effects:
        mine = [index for index, pair in enumerate(pairs) if pair.tau == effect.tau]
        weight = counts[:, [seeds.index(pairs[index].seed) for index in mine]]
        moved = np.stack([_moved(pairs[i], noise.residuals[i], windows[i], rng, draws) for i in mine], axis=1)
        total = weight.sum(axis=1)
        # A draw without any seed of this tau says nothing of it: it stays where it is.
        mean = np.divide(np.sum(weight * moved, axis=1), total, out=np.full(draws, effect.mean), where=total > 0)
        columns.append(mean - effect.mean)
    return np.stack(columns, axis=1)


def _moved(
    pair: Pair, residual: FloatArray | None, weights: FloatArray, rng: np.random.Generator, draws: int
) -> FloatArray:
    """The pair's mean at its end, plus that of as many neighbouring residuals (the series closed to a ring)."""
    mean = np.full(draws, float(weights @ pair.difference))
    if residual is None:
        return mean
    length = int(np.count_nonzero(weights))
    ring = np.concatenate([residual, residual[: length - 1]])
    blocks = np.convolve(ring, np.full(length, 1 / length), mode="valid")
    return mean + blocks[rng.integers(len(blocks), size=draws)]


def _crossings(log_tau: FloatArray, means: FloatArray, level: float) -> FloatArray:
    """ln tau of the first crossing of each row of means; infinity for none."""
    curve = np.concatenate([np.zeros((len(means), 1)), means], axis=1)
    above = curve >= level
    first = np.argmax(above, axis=1)
    rows = np.arange(len(curve))
    before, after = curve[rows, first - 1], curve[rows, first]
    share = np.divide(level - before, after - before, out=np.zeros_like(after), where=after > before)
    at = log_tau[first - 1] + share * (log_tau[first] - log_tau[first - 1])
    found: FloatArray = np.where(above.any(axis=1), at, np.inf)
    return found


def _tau(log_tau: float) -> float | None:
    return math.exp(log_tau) if math.isfinite(log_tau) else None
