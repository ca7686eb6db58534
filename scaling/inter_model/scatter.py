"""How far the true slopes of sizes lie from a law k(N) that does not fit, beyond what their errors explain."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import fdtrc

from scaling.inter_model.estimate import Estimate

MISFIT_P = 0.05  # of the lack-of-fit test: below it, slopes are taken to scatter about the law


def law_scatter(estimate: Estimate) -> tuple[float, int] | None:
    """Standard deviation of true slopes about the law, and its degrees of freedom; None where noise explains them.

    Method of moments on Q = sum (k_i - k(N_i))^2 / Var(k_i), whose mean is df + sd^2 sum (1 - h_i) / Var(k_i) with
    h_i the leverage of a size on the law.
    """
    scales = [estimate.law_spread.widest(size) for size in range(estimate.design.num_sizes)]
    if estimate.form is None or estimate.theta is None or any(scale is None for scale in scales):
        return None
    df = estimate.design.num_sizes - len(estimate.theta)
    xx = estimate.law_moments.xx
    variance = np.array([scale[0] for scale in scales if scale is not None]) / xx
    if df < 1 or not np.all(variance > 0):
        return None
    q = float(np.sum((estimate.law_moments.slopes - estimate.law_slopes()) ** 2 / variance))
    noise_df = float(estimate.spread.within_df.sum())
    if estimate.spread.between is not None:
        noise_df = min(noise_df, float(estimate.spread.between_df))
    if fdtrc(df, noise_df, q / df) >= MISFIT_P:
        return None
    jacobian = np.sqrt(xx)[:, None] * estimate.form.jacobian(estimate.theta, estimate.design.sizes)
    leverage = np.sum(jacobian * np.linalg.pinv(jacobian).T, axis=1) if np.all(np.isfinite(jacobian)) else 0.0
    return math.sqrt(max(q - df, 0.0) / float(np.sum((1 - leverage) / variance))), df
