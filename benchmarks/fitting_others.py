"""How others fit the same laws: CMA-ES and scipy on the published objective, and the published grid of ScaleRL."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import cma
import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit, least_squares

from benchmarks.fitting_data import SIZES
from scaling.laws.trajectories import Curve
from scaling.observations import FloatArray, Observations


@dataclass(frozen=True)
class Found:
    """What an optimiser found: its sum of squares, and K_max."""

    rss: float
    k_max: float


def published_objective(observations: Observations, theta: FloatArray) -> float:
    """Sum of squares of L = e^E_i x^-k(N_i), k = K / (1 + N_0/N); theta = K, N_0 in 1e10, E_i (arXiv 2509.25300)."""
    gap = _curves(observations, theta) - observations.loss
    return float(gap @ gap)


def cma_es(observations: Observations, *, seed: int = 1) -> Found:
    """CMA-ES, with its defaults but for tolerances that let it converge, from where nothing is known."""
    start = np.concatenate([[0.1, 1.0], np.zeros(len(SIZES))])
    options = {"seed": seed, "verbose": -9, "tolfun": 1e-13, "tolx": 1e-10, "maxfevals": 200_000}
    log_x, size = np.log(observations.x), np.searchsorted(SIZES, observations.num_params)
    loss, inverse = observations.loss, 1e10 / np.asarray(SIZES)

    def objective(theta: np.ndarray) -> float:
        if theta[0] <= 0 or theta[1] <= 0:
            return 1e3 - min(theta[0], theta[1])
        gap = np.exp(theta[2:][size] - (theta[0] / (1 + theta[1] * inverse))[size] * log_x) - loss
        return float(gap @ gap)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = cma.fmin2(objective, start, 0.3, options)[0]
    return Found(published_objective(observations, best), float(best[0]))


def general_solver(observations: Observations) -> Found:
    """scipy's least_squares on the same objective, started near the optimum."""
    start = np.concatenate([[0.1, 1.0], np.zeros(len(SIZES))])
    found = least_squares(lambda theta: _curves(observations, theta) - observations.loss, start, x_scale="jac")
    return Found(2 * float(found.cost), float(found.x[0]))


def scalerl_grid(curve: Curve) -> float:
    """Sum of squares left by the published procedure: A and C_mid on grids, B by curve_fit (arXiv 2510.13786)."""
    reward, start = 1 - curve.loss, 1 - (curve.start or 1.0)
    best = np.inf
    for asymptote in np.arange(0.450, 0.8001, 0.005).tolist():
        for middle in np.linspace(100, 40_000, 100).tolist():

            def law(x: FloatArray, exponent: float, asymptote: float = asymptote, middle: float = middle) -> FloatArray:
                risen: FloatArray = start + (asymptote - start) / (1 + (middle / x) ** exponent)
                return risen

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OptimizeWarning)
                warnings.simplefilter("ignore", RuntimeWarning)
                try:
                    exponent = curve_fit(law, curve.x, reward, p0=[1.0], maxfev=200)[0][0]
                except RuntimeError:  # no convergence in so many calls: not the best of the grid
                    continue
            best = min(best, float(np.sum((law(curve.x, exponent) - reward) ** 2)))
    return best


def _curves(observations: Observations, theta: FloatArray) -> FloatArray:
    size = np.searchsorted(SIZES, observations.num_params)
    k = theta[0] / (1.0 + theta[1] * 1e10 / np.asarray(SIZES))
    fitted: FloatArray = np.exp(theta[2:][size] - k[size] * np.log(observations.x))
    return fitted
