"""One estimation: the rows it may see go in, slopes, law and their uncertainty come out.

Forecasts are honest by construction because they start from an `Estimate` made of other rows; `rows_seen` says which.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling.inter_model.results import Parameter
from scaling.laws.k_forms import KForm, form_named
from scaling.observations import BoolArray, FloatArray, Observations
from scaling.regression.bootstrap import Resamples, percentile_interval, resample
from scaling.regression.design import Design, Moments, design_of, fitted_log_loss, sum_by
from scaling.regression.estimators import linearise
from scaling.regression.intervals import (
    LawCovariances,
    law_covariances,
    level_variance,
    normal_interval,
    slope_interval,
    wider,
)
from scaling.regression.spread import Spread, spread_of
from scaling.results import Interval

MIN_SIZES_FOR_LAW = 3
NOT_LEARNING = 0.025  # share of draws without a slope that a 95% interval can leave outside


@dataclass(frozen=True, eq=False)
class Estimate:
    """Free slopes of every size and, from three sizes on, a law k(N); `law_moments` are linearised at that law.

    `size_weight`: how much the law counts the evaluations of each size, 1 unless equal weight was asked for. It is
    in `law_moments` and `compared`, and not in `free` and `spread`, which describe each size on its own.
    """

    design: Design
    free: Moments
    spread: Spread
    law_moments: Moments
    form: KForm | None
    theta: FloatArray | None
    resamples: Resamples | None
    size_weight: FloatArray

    @cached_property
    def compared(self) -> Moments:
        """The free moments with the weights of the law: what forms of k(N) are held against."""
        return self.free.reweighted(self.design, self.size_weight)

    @cached_property
    def law_spread(self) -> Spread:
        """The spread on the scale of `law_moments`."""
        return self.spread.reweighted(self.size_weight)

    @property
    def rows_seen(self) -> frozenset[int]:
        """Positions in the observations of every row that entered this estimation."""
        return frozenset(self.design.rows.tolist())

    @cached_property
    def theta_draws(self) -> FloatArray | None:
        """The law refitted to every block resample, (draws, parameters)."""
        if self.form is None or self.resamples is None:
            return None
        return self.form.solve(self.design.sizes, self.resamples.xx, self.resamples.xk)

    @cached_property
    def covariances(self) -> LawCovariances:
        """Covariances of theta within and between runs."""
        if self.form is None or self.theta is None:
            return LawCovariances()
        return law_covariances(self.design, self.law_moments, self.law_spread, self.form, self.theta)

    @cached_property
    def level_variances(self) -> FloatArray | None:
        """Variance of each size's mean ln L."""
        return level_variance(self.design, self.free, self.spread)

    def law_slopes(self) -> FloatArray:
        """k of each size under the law, or its free slope where there is no law."""
        if self.form is None or self.theta is None:
            return self.free.slopes
        slopes: FloatArray = self.form.slopes(self.theta[None], self.design.sizes)[0]
        return slopes

    def free_interval(self, size: int) -> Interval | None:
        """95% interval of the free slope of the size with this index."""
        return slope_interval(self.spread, self.free, size)

    def free_se(self, size: int) -> float | None:
        """Standard error of that slope, on the wider of its two scales."""
        widest = self.spread.widest(size)
        return None if widest is None else math.sqrt(widest[0] / self.free.xx[size])

    def law_k(self, num_params: float) -> tuple[float, Interval | None]:
        """k at a size under the law, with its interval; the size need not have been seen."""
        assert self.form is not None
        assert self.theta is not None
        at = np.array([num_params], dtype=np.float64)
        k = float(self.form.slopes(self.theta[None], at)[0, 0])
        block = None
        if self.theta_draws is not None:
            draws = self.form.slopes(self.theta_draws, at)[:, 0]
            block = percentile_interval(draws, k, self._widening())
        gradient = self.form.jacobian(self.theta, at)[0]
        between = [normal_interval(k, runs.half_width(gradient), runs.method) for runs in self.covariances.between]
        return k, wider(block, *between)

    def combination(self, weights: FloatArray, *, log: bool) -> Interval | None:
        """95% interval of sum weights * theta (exponentiated if `log`): one parameter, or K_max / N_0.

        None where the law, or more than one draw in forty, has no slope at all: N_0 could then be anything.
        """
        assert self.theta is not None
        if not np.all(np.isfinite(self.theta)):
            return None
        centre = float(weights @ self.theta)
        block = None
        if self.theta_draws is not None:
            learning = np.all(np.isfinite(self.theta_draws), axis=1)
            if np.mean(~learning) > NOT_LEARNING and np.any(weights[1:] != 0):
                return None
            # Only parameters with a weight: a draw with K_max = 0 has ln K_max = -inf, and 0 * inf is no number.
            draws = self.theta_draws[:, weights != 0] @ weights[weights != 0]
            block = percentile_interval(draws, centre, self._widening(), log=log)
        between = [
            normal_interval(centre, runs.half_width(weights), runs.method, log=log) for runs in self.covariances.between
        ]
        return wider(block, *between)

    def parameters(self) -> tuple[Parameter, ...]:
        """The law's parameters as they are printed."""
        if self.form is None or self.theta is None:
            return ()
        form, theta = self.form, self.theta
        bound = form.at_bound(theta, self.design.sizes)
        unit_vectors = np.eye(len(theta))
        draws = None if self.theta_draws is None else form.reported(self.theta_draws).astype("<f8")
        return tuple(
            Parameter(
                name=name,
                value=float(value),
                unit=unit,
                interval=self.combination(unit_vectors[index], log=form.log_scale[index]),
                at_bound=bound,
                draws=None if draws is None else draws[:, index].tobytes(),
            )
            for index, (name, unit, value) in enumerate(
                zip(form.parameters, form.units, form.reported(theta), strict=True)
            )
        )

    def _widening(self) -> float:
        assert self.resamples is not None
        assert self.theta is not None
        return self.resamples.widening(self.design.num_sizes + len(self.theta))


def estimate(
    observations: Observations,
    rows: BoolArray,
    *,
    estimator: str,
    k_form: str,
    draws: int,
    equal_size_weight: bool = False,
) -> Estimate:
    """Estimate free slopes and the law from these rows only.

    With fewer sizes than the form takes (three, or four for hill), or with `k_form="free"`, there is no law. The
    bootstrap's seed comes from the digest of these rows. `equal_size_weight`: the law counts every size alike, however
    many evaluations and runs it has; slopes of single sizes stay as they are.
    """
    design = design_of(observations, rows)
    free = linearise(observations, design, estimator)
    spread = spread_of(design, free)
    form = form_named(k_form) if k_form != "free" else None
    if form is not None and design.num_sizes < form.fitted_from:
        form = None
    weight = _size_weight(design, free) if equal_size_weight else np.ones(design.num_sizes)
    law_moments = (
        free
        if form is None
        else _at_law(observations, design, free, estimator=estimator, form=form, size_weight=weight)
    )
    law_moments = law_moments.reweighted(design, weight)
    resamples = None
    if form is not None and draws:
        seed = observations.seed_of(rows)
        resamples = resample(design, law_moments, spread.reweighted(weight), draws=draws, seed=seed)
    return Estimate(
        design=design,
        free=free,
        spread=spread,
        law_moments=law_moments,
        form=form,
        theta=None if form is None else _solve(form, design, law_moments),
        resamples=resamples,
        size_weight=weight,
    )


def _size_weight(design: Design, free: Moments) -> FloatArray:
    """Factors that give every size the same total weight, and leave the sum of all weights as it is."""
    total = sum_by(design.size, free.weight, design.num_sizes)
    factor: FloatArray = total.mean() / total
    return factor


def _at_law(
    observations: Observations, design: Design, free: Moments, *, estimator: str, form: KForm, size_weight: FloatArray
) -> Moments:
    if estimator == "ols-log":  # already linear in ln L
        return free
    return linearise(
        observations,
        design,
        estimator,
        lambda moments: _law_slopes(form, design, moments.reweighted(design, size_weight)),
        start=None if estimator == "huber" else fitted_log_loss(design, free, free.slopes),
    )


def _law_slopes(form: KForm, design: Design, moments: Moments) -> FloatArray:
    slopes: FloatArray = form.slopes(_solve(form, design, moments)[None], design.sizes)[0]
    return slopes


def _solve(form: KForm, design: Design, moments: Moments) -> FloatArray:
    theta: FloatArray = form.solve(design.sizes, moments.xx[None], moments.xk[None])[0]
    return theta
