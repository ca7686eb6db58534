"""Can K_max and N_0 be told apart by these sizes? The numbers behind the answer, and the answer in words.

Below N_0 the saturating law is a straight line through the origin, k ~ (K_max/N_0) N, and the data know only that
ratio, kappa; above N_0 it is a constant. Only sizes on both sides of N_0 support a claim about K_max.
"""

import math

import numpy as np

from scaling.inter_model.estimate import MIN_SIZES_FOR_LAW, Estimate
from scaling.inter_model.results import Identification
from scaling.laws.k_forms import form_named, saturating_bounds, saturating_shape
from scaling.laws.varpro import gain
from scaling.observations import FloatArray
from scaling.regression.spread import t_quantile
from scaling.results import Interval
from scaling.wording import short

PROFILE_POINTS = 2401
_COUNTS = {3: "three", 4: "four"}
OUT_OF_REACH = 3.0  # N_0 this many times beyond the largest (below the smallest) size


def identify(estimate: Estimate, k_form: str) -> Identification:
    """The verdict for this estimate."""
    if estimate.form is None or estimate.theta is None:
        return _no_law(estimate.design.num_sizes, k_form)
    if not np.isfinite(estimate.theta[0]) and estimate.form.log_scale[0]:
        return Identification("no_learning", "No positive slope fits: on the whole the test loss does not fall.")
    if estimate.form.name == "hill":
        return Identification("not_saturating", _hill_message(estimate))
    if estimate.form.name != "saturating":
        return Identification(
            "not_saturating", f"k(N) = {estimate.form.formula} was asked for; it has no K_max and no N_0."
        )
    return _saturating(estimate)


def _no_law(count: int, k_form: str) -> Identification:
    if count == 1:
        return Identification("trajectory_only", "One size: a learning curve, nothing about how k depends on N.")
    if k_form == "free":
        return Identification("free_slopes_only", "Free slopes were asked for; no law k(N) is fitted.")
    needed = form_named(k_form).fitted_from
    of_form = "" if needed == MIN_SIZES_FOR_LAW else f" in the form {k_form}"
    message = f"{count} sizes: their slopes can be compared, a law k(N){of_form} needs {_COUNTS[needed]}."
    return Identification("free_slopes_only", message)


def _hill_message(estimate: Estimate) -> str:
    assert estimate.theta is not None
    n0, h = np.exp(estimate.theta[1:])
    inside = estimate.design.sizes.min() < n0 < estimate.design.sizes.max()
    where = "inside" if inside else "outside"
    advice = "" if inside else " Do not quote K_max."
    return f"N_0 = {short(n0)} lies {where} the range of the sizes trained, with steepness h = {h:.2g}.{advice}"


def n0_profile(estimate: Estimate) -> tuple[Interval, bool, bool] | None:
    """Profile-likelihood interval of N_0 and whether it is open (touches the box) below and above.

    The threshold is t^2 times the factor by which the real variance of ln N_0 exceeds that of unit noise, so that
    autocorrelation, unequal noise and variation between runs widen the interval as they should.
    """
    sizes, moments = estimate.design.sizes, estimate.law_moments
    assert estimate.form is not None
    assert estimate.theta is not None
    known = estimate.covariances.known
    if not known:
        return None
    jacobian = estimate.form.jacobian(estimate.theta, sizes)
    unit = float(np.linalg.inv(jacobian.T @ (moments.xx[:, None] * jacobian))[1, 1])
    threshold = max(float(each.matrix[1, 1]) / unit * t_quantile(each.df) ** 2 for each in known)
    log_n0 = np.linspace(*saturating_bounds(sizes), PROFILE_POINTS)
    gains = gain(saturating_shape(log_n0[:, None], sizes)[0], xx=moments.xx[None], xk=moments.xk[None])[0]
    inside = np.flatnonzero(gains >= gains.max() - threshold)
    first, last = int(inside[0]), int(inside[-1])
    return (
        Interval(math.exp(log_n0[first]), math.exp(log_n0[last]), "profile likelihood"),
        first == 0,
        last == PROFILE_POINTS - 1,
    )


def _saturating(estimate: Estimate) -> Identification:
    assert estimate.theta is not None
    assert estimate.form is not None
    sizes, moments = estimate.design.sizes, estimate.law_moments
    n0 = math.exp(estimate.theta[1])
    profile = n0_profile(estimate)
    open_below, open_above = _open_sides(estimate, profile)
    jacobian = estimate.form.jacobian(estimate.theta, sizes)
    correlation, condition = _information(jacobian.T @ (moments.xx[:, None] * jacobian))
    verdict, message = _verdict(sizes, n0, open_below=open_below, open_above=open_above)
    return Identification(
        verdict=verdict,
        message=message,
        correlation=correlation,
        condition_number=condition,
        n0_profile=profile[0] if profile else None,
        n0_profile_open=bool(profile and (profile[1] or profile[2])),
        largest_size_over_n0=float(sizes.max()) / n0,
        kappa=math.exp(estimate.theta[0] - estimate.theta[1]),
        kappa_interval=estimate.combination(np.array([1.0, -1.0]), log=True),
    )


def _open_sides(estimate: Estimate, profile: tuple[Interval, bool, bool] | None) -> tuple[bool, bool]:
    """Whether the profile, or the interval that is reported, has no end below or above inside the search box."""
    low, high = (math.exp(edge) for edge in saturating_bounds(estimate.design.sizes))
    reported = estimate.parameters()[1].interval
    below, above = (profile[1], profile[2]) if profile else (False, False)
    if reported is not None:
        below, above = below or reported.low <= low, above or reported.high >= high
    return below, above


def _verdict(sizes: FloatArray, n0: float, *, open_below: bool, open_above: bool) -> tuple[str, str]:
    smallest, largest = float(sizes.min()), float(sizes.max())
    if n0 > OUT_OF_REACH * largest or open_above:
        return "kmax_not_identified", (
            "K_max is not identified: N_0 has no upper limit inside the search box. Read kappa = K_max/N_0 "
            "(k ~ kappa N) instead, and add larger sizes to see saturation."
        )
    if n0 < smallest / OUT_OF_REACH:
        return "constant_k", (
            "N_0 lies well below the smallest size: a constant k describes these sizes. "
            "Add smaller sizes to see k rise."
        )
    if open_below:
        return "one_sided", "The interval of N_0 reaches the lower end of the search box: a constant k is not excluded."
    if n0 > largest or n0 < smallest:
        side = "above" if n0 > largest else "below"
        return "one_sided", f"N_0 lies {side} every size that was trained: K_max is an extrapolation."
    return "identified", "There are sizes on both sides of N_0, and its interval is closed."


def _information(information: FloatArray) -> tuple[float, float]:
    """Correlation of (ln K_max, ln N_0), and the condition number after scaling both to unit information."""
    scale = np.sqrt(np.diag(information))
    scaled = information / np.outer(scale, scale)
    return -float(scaled[0, 1]), float(np.linalg.cond(scaled))
