"""How well does each form of k(N) forecast the slope of the next larger size? Forward chaining by size.

For every size from the fourth on, the form is fitted to all smaller sizes and scored on this one's free slope: by its
error, and by the log density that its forecast gave to what came, in which an error counts by what was to be expected.
The last link of the chain leaves out the largest size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from scaling.inter_model.estimate import Estimate
from scaling.laws.k_forms import KForm
from scaling.observations import FloatArray


@dataclass(frozen=True)
class Link:
    """One forecast: the slope of `target` from all smaller sizes. `log_score` is None where no noise is known."""

    target: int
    predicted: float
    actual: float
    log_score: float | None


def chain(estimate: Estimate, form: KForm) -> tuple[Link, ...]:
    """Forecasts of every size that has enough smaller ones."""
    return tuple(_link(estimate, form, target) for target in range(form.fitted_from, estimate.design.num_sizes))


def slope_variances(estimate: Estimate) -> FloatArray | None:
    """Variance of the free slope of each size; None where some size shows no noise."""
    scales = [estimate.spread.widest(size) for size in range(estimate.design.num_sizes)]
    known = np.array([scale[0] for scale in scales if scale is not None])
    if len(known) < len(scales) or not np.all(known > 0):
        return None
    variances: FloatArray = known / estimate.free.xx
    return variances


def _link(estimate: Estimate, form: KForm, target: int) -> Link:
    sizes, moments = estimate.design.sizes, estimate.compared
    theta = form.solve(sizes[:target], moments.xx[None, :target], moments.xk[None, :target])[0]
    predicted = float(form.slopes(theta[None], sizes[target : target + 1])[0, 0])
    actual = float(moments.slopes[target])
    return Link(int(sizes[target]), predicted, actual, _log_score(estimate, form, theta, predicted, target))


def _log_score(estimate: Estimate, form: KForm, theta: FloatArray, predicted: float, target: int) -> float | None:
    """ln of the density of the target's slope: Student's t about the forecast, with one degree of freedom for every
    size beyond the form's numbers.

    Its variance is that of the forecast and of the slope itself; where the smaller sizes scatter about the form more
    than their errors explain, both are taken to be larger by as much.
    """
    variances = slope_variances(estimate)
    if variances is None:
        return None
    sizes, moments = estimate.design.sizes, estimate.compared
    df = target - len(theta)
    gaps = moments.slopes[:target] - form.slopes(theta[None], sizes[:target])[0]
    misfit = max(float(np.sum(gaps**2 / variances[:target])) / df, 1.0)
    jacobian = form.jacobian(theta, sizes[: target + 1])
    if not np.all(np.isfinite(jacobian)):
        return None
    seen, xx = jacobian[:target], moments.xx[:target]
    bread = np.linalg.pinv(seen.T @ (xx[:, None] * seen))
    toward = xx[:, None] * seen @ bread @ jacobian[target]  # of the forecast, in each slope seen
    spread = math.sqrt(misfit * float(variances[:target] @ toward**2 + variances[target]))
    z = (float(moments.slopes[target]) - predicted) / spread
    constant = float(gammaln((df + 1) / 2) - gammaln(df / 2)) - 0.5 * math.log(df * math.pi)
    return constant - (df + 1) / 2 * math.log1p(z * z / df) - math.log(spread)
