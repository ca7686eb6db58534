"""How long a fit takes on the layout of the published study: seven sizes, 105 evaluations each.

Beside it, in the same run, scipy's general least-squares solver on the same objective and the same points.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from benchmarks.measure import time_function
from scaling.inter_model.fit import fit_inter_model
from scaling.observations import Observations, from_rows
from scaling.synthetic import Noise, law_rows, saturating_slopes

SIZES = (357_800_000, 1_310_200_000, 2_774_500_000, 6_525_300_000, 13_212_100_000, 31_205_600_000, 70_212_600_000)


def study_like_observations() -> Observations:
    slopes = saturating_slopes(SIZES, k_max=0.135, n0=13_000_000_000)
    return from_rows(law_rows(slopes, seeds=(1,), steps=range(1, 106), noise=Noise(), rng_seed=0))


def general_solver(observations: Observations) -> float:
    """K_max by nine-parameter least squares on log L, started near the optimum."""
    size, log_x, y = np.searchsorted(SIZES, observations.num_params), np.log(observations.x), np.log(observations.loss)

    def residual(theta: np.ndarray) -> np.ndarray:
        k = np.exp(theta[0]) / (1.0 + np.exp(theta[1]) / np.asarray(SIZES))
        fitted: np.ndarray = y - (theta[2:][size] - k[size] * log_x)
        return fitted

    start = np.concatenate([[np.log(0.1), np.log(1e10)], np.zeros(len(SIZES))])
    return float(np.exp(least_squares(residual, start).x[0]))


def main() -> None:
    observations = study_like_observations()
    fit = fit_inter_model(observations, draws=0)
    ours = next(p.value for p in fit.law.parameters if p.name == "K_max") if fit.law else float("nan")
    report = time_function(lambda: fit_inter_model(observations, draws=0), runs=9)
    bootstrap = time_function(lambda: fit_inter_model(observations, draws=1000), runs=9)
    theirs = time_function(lambda: general_solver(observations), runs=9)
    print(f"fit, forecasts and checks                 {report}")
    print(f"the same with 1,000 bootstrap draws       {bootstrap}")
    print(f"scipy least_squares, point fit only       {theirs}, {theirs.median / report.median:.2f} x the whole report")
    print(f"K_max: {ours:.6f} and {general_solver(observations):.6f}")


if __name__ == "__main__":
    main()
