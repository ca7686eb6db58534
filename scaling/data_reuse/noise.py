"""How well paired differences are known: from correlated evaluations inside pairs, and from pairs of different seeds.

One seed leaves only the first source, which knows nothing of how runs differ; with several the wider interval counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from scaling.data_reuse.pairs import Pair
from scaling.observations import FloatArray
from scaling.regression.correlated_noise import Series, ar1, correlation_of, detrended, polynomial, variance_of
from scaling.regression.spread import MIN_EVALUATIONS
from scaling.results import Interval

TREND_TERMS = 4  # a cubic in ln x, taken out before residuals are judged
SHARED_TWIN = 0.25  # squared correlation of two differences from one twin, whose noise is half of either's variance


@dataclass(frozen=True)
class Source:
    """One source of error of a mean over pairs: its standard error and the degrees of freedom of its t."""

    se: float
    df: float
    method: str

    def half_width(self, level: float) -> float:
        """Half of the two-sided interval of this level."""
        return float(stdtrit(self.df, 0.5 + level / 2)) * self.se


@dataclass(frozen=True, eq=False)
class Noise:
    """Residuals of every pair about its trend (None for a short pair), and the noise of one difference per tau.

    `variance` and the degrees of freedom `df` of each tau; `correlation` of neighbours, falling off as its powers.
    """

    residuals: tuple[FloatArray | None, ...]
    variance: dict[float, float]
    df: dict[float, float]
    correlation: float


def noise_of(pairs: Sequence[Pair]) -> Noise:
    """Noise of the pairs of one model; the correlation is pooled over them."""
    series = [_series(pair) if len(pair) >= MIN_EVALUATIONS else None for pair in pairs]
    correlation = correlation_of([each for each in series if each is not None])
    variance, df = {}, {}
    for tau in sorted({pair.tau for pair in pairs}):
        mine = [each for pair, each in zip(pairs, series, strict=True) if pair.tau == tau and each is not None]
        if mine:
            variance[tau], df[tau] = variance_of(mine, correlation)
    residuals = tuple(None if each is None else each.residual for each in series)
    return Noise(residuals, variance, df, correlation)


def within(noise: Noise, tau: float, weights: Sequence[FloatArray]) -> Source | None:
    """Error of the mean over pairs of weights . differences, from the evaluations alone."""
    if tau not in noise.variance:
        return None
    share = sum(float(each @ ar1(len(each), noise.correlation) @ each) for each in weights) / len(weights) ** 2
    return Source(math.sqrt(noise.variance[tau] * share), noise.df[tau], "autocorrelated residuals")


def between(values: dict[float, list[float]], tau: float) -> Source | None:
    """Error of the mean of one tau's pairs: Student's t over pairs.

    Two pairs alone say next to nothing, so their variance is pooled over all taus; since differences from one twin
    are correlated, the pooled variance has fewer degrees of freedom than repeats.
    """
    mine = values[tau]
    if len(mine) < 2:
        return None
    if len(mine) >= 3:
        return Source(float(np.std(mine, ddof=1)) / math.sqrt(len(mine)), len(mine) - 1, "pairs of runs")
    repeated = [each for each in values.values() if len(each) > 1]
    repeats = sum(len(each) - 1 for each in repeated)
    variance = sum(float(np.var(each, ddof=1)) * (len(each) - 1) for each in repeated) / repeats
    df = repeats / (1 + (len(repeated) - 1) * SHARED_TWIN)
    return Source(math.sqrt(variance / len(mine)), df, "pairs of runs (pooled)")


def interval(centre: float, level: float, *sources: Source | None) -> Interval | None:
    """The wider of the intervals of this level, None without a source."""
    known = [source for source in sources if source is not None]
    if not known:
        return None
    widest = max(known, key=lambda source: source.half_width(level))
    half = widest.half_width(level)
    return Interval(centre - half, centre + half, widest.method)


def _series(pair: Pair) -> Series:
    log_x = np.log(pair.x)
    return detrended(pair.difference, polynomial((log_x - log_x.mean()) / float(np.ptp(log_x)), TREND_TERMS))
