"""Studies drawn from known laws, as fast as arrays allow: the layout of the published one, seven sizes of 105
evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scaling.axes import XKind
from scaling.observations import FloatArray, Observations, from_rows
from scaling.synthetic import Noise, law_rows, saturating_slopes

SIZES = (357_800_000, 1_310_200_000, 2_774_500_000, 6_525_300_000, 13_212_100_000, 31_205_600_000, 70_212_600_000)
EVALUATIONS = 105
K_MAX, N_0 = 0.135, 13_000_000_000
SLOPES = saturating_slopes(SIZES, k_max=K_MAX, n0=N_0)
# Losses at the first evaluation, from the smallest size to the largest: as published, but for the two smallest, which
# noise would carry above 1.
FIRST_LOSSES = (0.93, 0.92, 0.91, 0.87, 0.82, 0.76, 0.69)


def study(seeds: Sequence[int] = (1,), evaluations: int = EVALUATIONS, x: XKind = "samples") -> Observations:
    """The layout, with one drawing of the law in it."""
    rows = law_rows(
        SLOPES, seeds=seeds, steps=range(1, evaluations + 1), noise=Noise(), rng_seed=0,
        first_losses=dict(zip(SIZES, FIRST_LOSSES, strict=True)),
    )  # fmt: skip
    return from_rows(rows, x=x)


def redrawn(
    layout: Observations,
    rng: np.random.Generator,
    *,
    noise: Noise,
    slopes: Sequence[float] = tuple(SLOPES.values()),
    first_losses: Sequence[float] = FIRST_LOSSES,
    attempts: int | None = None,
) -> Observations:
    """The same runs with other noise about ln L = ln first - k ln step; counts of `attempts` where that is given."""
    size, run = _size_and_run(layout)
    number = int(run.max()) + 1
    of_run = np.zeros(number, dtype=np.int64)
    of_run[run] = size
    k = np.asarray(slopes)[of_run] * (1 + noise.slope_sd * rng.normal(size=number))
    level = np.log(np.asarray(first_losses))[of_run] + noise.level_sd * rng.normal(size=number)
    log_loss = level[run] - k[run] * np.log(layout.step) + _wobble(run, rng, noise)
    return scored(layout, rng, np.exp(log_loss), attempts)


def scored(layout: Observations, rng: np.random.Generator, loss: FloatArray, attempts: int | None) -> Observations:
    """The same runs with these losses, exactly or counted, and a digest of their own: it seeds the draws."""
    loss = np.clip(loss, 1e-6, 1.0)
    digest = rng.bytes(32).hex()
    if attempts is None:
        return replace(layout, loss=loss, data_sha256=digest)
    failures = rng.binomial(attempts, loss).astype(np.float64)
    counts = np.full_like(failures, attempts)
    return replace(layout, loss=failures / attempts, failures=failures, attempts=counts, data_sha256=digest)


def wobble(layout: Observations, rng: np.random.Generator, noise: Noise) -> FloatArray:
    """Noise of every evaluation, correlated inside runs."""
    return _wobble(_size_and_run(layout)[1], rng, noise)


def _size_and_run(layout: Observations) -> tuple[np.ndarray, np.ndarray]:
    size = np.unique(layout.num_params, return_inverse=True)[1].reshape(-1)
    return size, np.unique(layout.trial_id, return_inverse=True)[1].reshape(-1)


def _wobble(run: np.ndarray, rng: np.random.Generator, noise: Noise) -> FloatArray:
    """AR(1) in the order of the rows, started afresh for each run."""
    white = rng.normal(size=len(run))
    rho = noise.autocorrelation
    first = np.diff(run, prepend=-1) != 0
    values = np.empty(len(run))
    before = 0.0
    for row, (fresh, is_first) in enumerate(zip(white.tolist(), first.tolist(), strict=True)):
        before = fresh if is_first else rho * before + (1 - rho**2) ** 0.5 * fresh
        values[row] = before
    return noise.point_sd * values
