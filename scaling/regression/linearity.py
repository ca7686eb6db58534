"""Is ln L straight in ln X? A test for curvature, in the presence of correlated noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import fdtrc

from scaling.observations import FloatArray
from scaling.regression.correlated_noise import ar1, correlation_of, detrended, polynomial
from scaling.regression.design import Design, Moments
from scaling.regression.spread import MIN_EVALUATIONS

MOST_POINTS = 200  # of one run: a longer one is averaged to as many, which a curve over the whole run does not notice
EACH_P = 0.01
EXACT = 1e-18  # of the sum of squares: what rounding leaves
TINY = 1e-20  # sum of squares of ln L: a constant loss


@dataclass(frozen=True, eq=False)
class _Run:
    """Centred ln X, its ln L, and roots of the weights, point by point."""

    size: int
    x: FloatArray
    y: FloatArray
    root: FloatArray


def curvature(design: Design, moments: Moments) -> tuple[float, list[int]] | None:
    """p-value of square and cube of ln X in every size jointly, and the sizes where each alone has p < .01.

    A quadratic alone has no power against an S-curve. Noise of neighbouring evaluations is taken for an AR(1) process,
    whose correlation is estimated from what a cubic leaves of each run, and taken out before the F test (generalised
    least squares, Cochrane and Orcutt 1949): an inflated variance instead has a third of the power at a correlation of
    .8. Simulated size at p < .01: .013 up to .8, .06 at .9. None where points are too few.
    """
    runs = [_run(design, moments, run) for run in range(design.num_runs)]
    by_size = [[run for run in runs if run.size == size] for size in range(design.num_sizes)]
    if any(sum(len(run.x) for run in mine) < len(mine) + 5 for mine in by_size):
        return None
    correlation = _correlation(runs)
    tested = [_cubic_gain(mine, correlation) for mine in by_size]
    gains, rss = np.array([gain for gain, _ in tested]), sum(left for _, left in tested)
    df = sum(len(run.x) for run in runs) - design.num_runs - 3 * design.num_sizes
    if df < 1:
        return None
    total = sum(float(np.sum((run.root * run.y) ** 2)) for run in runs)
    if total <= TINY:
        return 1.0, []
    if rss <= EXACT * total:  # no noise to hold it against
        bends = [int(size) for size in np.flatnonzero(gains > EXACT * total)]
        return (0.0 if bends else 1.0), bends
    terms = 2 * design.num_sizes
    joint = float(fdtrc(terms, df, float(gains.sum()) / rss * df / terms))
    each = fdtrc(2, df, gains / rss * df / 2)
    return joint, [int(size) for size in np.flatnonzero(each < EACH_P)]


def _run(design: Design, moments: Moments, run: int) -> _Run:
    mine = np.flatnonzero(design.run == run)
    x, y, weight = moments.x[mine], moments.y[mine], moments.weight[mine]
    if len(mine) > MOST_POINTS:
        starts = np.linspace(0, len(mine), MOST_POINTS, endpoint=False).astype(np.int64)
        total = np.add.reduceat(weight, starts)
        x, y = np.add.reduceat(weight * x, starts) / total, np.add.reduceat(weight * y, starts) / total
        weight = total
    return _Run(int(design.run_size[run]), x, y, np.sqrt(weight))


def _correlation(runs: Sequence[_Run]) -> float:
    long = [run for run in runs if len(run.x) >= MIN_EVALUATIONS]
    series = [detrended(run.root * run.y, run.root[:, None] * polynomial(run.x, 4)) for run in long]
    return correlation_of(series) if series else 0.0


def _cubic_gain(runs: Sequence[_Run], correlation: float) -> tuple[float, float]:
    """Fall of the RSS of one size's runs from x to x, x^2, x^3, each run with its own level; and the cubic's RSS."""
    reach = max(float(np.max(np.abs(run.x))) for run in runs)
    columns, targets = [], []
    for place, run in enumerate(runs):
        levels = np.zeros((len(run.x), len(runs)))
        levels[:, place] = 1.0
        basis = run.root[:, None] * np.column_stack([levels, *((run.x / reach) ** power for power in (1, 2, 3))])
        whitener = np.linalg.cholesky(ar1(len(run.x), correlation))
        columns.append(solve_triangular(whitener, basis, lower=True))
        targets.append(solve_triangular(whitener, run.root * run.y, lower=True))
    cubic, target = np.concatenate(columns), np.concatenate(targets)
    line = cubic[:, :-2]
    after_line = target - line @ np.linalg.lstsq(line, target, rcond=None)[0]
    after_cubic = target - cubic @ np.linalg.lstsq(cubic, target, rcond=None)[0]
    left = float(after_cubic @ after_cubic)
    return float(after_line @ after_line) - left, left
