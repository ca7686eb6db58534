"""Noise of neighbouring evaluations about a smooth trend, as an AR(1) process: exact for short series, where asymptotic
inflation factors and blocks are too narrow.

A fitted trend follows correlated noise, which leaves residuals smaller and less correlated than the noise is. Both are
set right by what AR(1) noise of each correlation would leave behind on the very same design (the method of moments on
residual contrasts). Simulated 95% intervals of a mean over the last fifth of 50 evaluations hold .94 at a correlation
of .5 and .88 to .96 at .8; of 13 evaluations .91 and .76.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.observations import FloatArray

CORRELATIONS = np.linspace(0.0, 0.95, 39)  # of neighbouring evaluations


@dataclass(frozen=True, eq=False)
class Series:
    """A series from which a trend was taken: `maker @ series` is `residual`, and `maker` is symmetric."""

    maker: FloatArray
    residual: FloatArray


def detrended(values: FloatArray, basis: FloatArray) -> Series:
    """The series about its least-squares fit on the columns of `basis`."""
    orthonormal, _ = np.linalg.qr(basis)
    maker: FloatArray = np.eye(len(values)) - orthonormal @ orthonormal.T
    return Series(maker, maker @ values)


def polynomial(x: FloatArray, terms: int) -> FloatArray:
    """Powers 0 to terms - 1 of x, column by column."""
    basis: FloatArray = np.stack([x**power for power in range(terms)], axis=1)
    return basis


def ar1(count: int, correlation: float) -> FloatArray:
    """Correlation matrix of `count` neighbouring evaluations."""
    steps = np.arange(count)
    matrix: FloatArray = correlation ** np.abs(steps[:, None] - steps[None])
    return matrix


def correlation_of(series: Sequence[Series]) -> float:
    """The lag-1 correlation of the noise at which residuals like these are to be expected."""
    lagged = sum(float(each.residual[1:] @ each.residual[:-1]) for each in series)
    total = sum(float(each.residual @ each.residual) for each in series)
    if total <= 0:
        return 0.0
    makers = {each.maker.tobytes(): each.maker for each in series}
    repeats = Counter(each.maker.tobytes() for each in series)
    expected_lagged = sum(repeats[key] * _expected(maker, lag=1) for key, maker in makers.items())
    expected_total = sum(repeats[key] * _expected(maker, lag=0) for key, maker in makers.items())
    return float(np.interp(lagged / total, np.maximum.accumulate(expected_lagged / expected_total), CORRELATIONS))


def variance_of(series: Sequence[Series], correlation: float) -> tuple[float, float]:
    """Variance of the noise of one evaluation, and the degrees of freedom (Satterthwaite) that it is known with."""
    left = [each.maker @ ar1(len(each.residual), correlation) for each in series]
    expected = sum(float(np.trace(each)) for each in left)
    variance = sum(float(each.residual @ each.residual) for each in series) / expected
    return variance, max(expected**2 / sum(float(np.sum(each * each.T)) for each in left), 1.0)


def _expected(maker: FloatArray, *, lag: int) -> FloatArray:
    """Expected sum of products of residuals `lag` apart, for AR(1) noise of each of `CORRELATIONS`."""
    count = len(maker)
    products = maker @ np.eye(count, k=lag) @ maker
    diagonals = np.array(
        [np.trace(products)] + [np.trace(products, k) + np.trace(products, -k) for k in range(1, count)]
    )
    sums: FloatArray = CORRELATIONS[:, None] ** np.arange(count)[None] @ diagonals
    return sums
