"""The candidate laws k(N), each solved from moments alone, for one data set or for a thousand resamples at once.

Every solver takes `xx` and `xk` of shape (draws, sizes) and returns `theta` of shape (draws, parameters), in the
coordinates in which the form is searched: logarithms for quantities that must be positive. Parameters as printed
(K_max, N_0, ...) come from `reported`. A new form is one more entry in `K_FORMS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling.errors import FitError
from scaling.laws.varpro import Boxes, Shape, ShapeOfTwo, best_shape, best_shape_of_two
from scaling.observations import FloatArray

GRID_POINTS = 121
HILL_GRID = (41, 13)  # of ln N_0 and of ln h
HILL_STEEPNESS = (0.25, 4.0)  # box of h


@dataclass(frozen=True)
class KForm:
    """One family. `slopes(theta, sizes)`: (draws, sizes); `jacobian(theta, sizes)`: (sizes, parameters) of one theta;
    `log_scale`: which theta are logarithms of the reported parameter; `boxes`: the limits of theta[1:], if searched.
    `fitted_from` and `compared_from`: sizes that it takes to fit the form at all, and to hold it against others.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    log_scale: tuple[bool, ...]
    solve: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
    slopes: Callable[[FloatArray, FloatArray], FloatArray]
    jacobian: Callable[[FloatArray, FloatArray], FloatArray]
    boxes: Callable[[FloatArray], Boxes] | None = None
    fitted_from: int = 3
    compared_from: int = 3

    def reported(self, theta: FloatArray) -> FloatArray:
        """Parameters as printed, same shape as `theta`."""
        return np.exp(theta, where=np.array(self.log_scale), out=theta.copy())

    def at_bound(self, theta: FloatArray, sizes: FloatArray) -> bool:
        """Whether one theta sits on the edge of its box, or on k = 0."""
        if self.boxes is None:
            return False
        edges = zip(theta[1:], self.boxes(sizes), strict=True)
        return bool(theta[0] == -np.inf or any(min(at - low, high - at) < 1e-6 for at, (low, high) in edges))


def form_named(name: str) -> KForm:
    """The family of this name."""
    if name not in K_FORMS:
        raise FitError(f"k(N) form {name!r} is unknown. Choose one of {', '.join(K_FORMS)}, free.")
    return K_FORMS[name]


def curve(name: str, theta: tuple[float, ...], sizes: FloatArray) -> FloatArray:
    """k at these sizes under one fitted theta."""
    slopes: FloatArray = form_named(name).slopes(np.array([theta]), sizes)[0]
    return slopes


def saturating_bounds(sizes: FloatArray) -> tuple[float, float]:
    """Box of ln N_0: two decades beyond the sizes on either side."""
    return float(np.log(sizes.min() / 100)), float(np.log(sizes.max() * 100))


def saturating_shape(log_n0: FloatArray, sizes: FloatArray) -> Shape:
    """g = N / (N + N_0) and its derivatives in ln N_0."""
    g = 1.0 / (1.0 + np.exp(log_n0 - np.log(sizes)))
    return g, -g * (1 - g), g * (1 - g) * (1 - 2 * g)


def _solve_saturating(sizes: FloatArray, xx: FloatArray, xk: FloatArray) -> FloatArray:
    grid = np.linspace(*saturating_bounds(sizes), GRID_POINTS)
    return best_shape(lambda u: saturating_shape(u, sizes), grid, xx=xx, xk=xk)


def _saturating(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    k: FloatArray = np.exp(theta[:, :1]) * saturating_shape(theta[:, 1:], sizes)[0]
    return k


def _saturating_jacobian(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    g, slope, _ = saturating_shape(theta[1:], sizes)
    k: FloatArray = np.exp(theta[0]) * np.stack([g, slope], axis=1)
    return k


def hill_boxes(sizes: FloatArray) -> Boxes:
    """Boxes of ln N_0 and ln h."""
    low, high = np.log(HILL_STEEPNESS)
    return saturating_bounds(sizes), (float(low), float(high))


def _hill_shape(log_n0: FloatArray, log_h: FloatArray, sizes: FloatArray) -> ShapeOfTwo:
    """g = 1 / (1 + (N_0/N)^h), its gradient and its second derivatives in (ln N_0, ln h)."""
    h = np.exp(log_h)
    z = h * (log_n0 - np.log(sizes))
    g = 1.0 / (1.0 + np.exp(z))
    first = -g * (1 - g)
    second = first * (2 * g - 1)
    bends = (second * h * h, second * h * z + first * h, second * z * z + first * z)
    return g, (first * h, first * z), bends


def _solve_hill(sizes: FloatArray, xx: FloatArray, xk: FloatArray) -> FloatArray:
    return best_shape_of_two(
        lambda u, v: _hill_shape(u, v, sizes), hill_boxes(sizes), points=HILL_GRID, xx=xx, xk=xk
    )  # fmt: skip


def _hill(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    k: FloatArray = np.exp(theta[:, :1]) * _hill_shape(theta[:, 1:2], theta[:, 2:], sizes)[0]
    return k


def _hill_jacobian(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    g, (in_n0, in_h), _ = _hill_shape(theta[1:2], theta[2:], sizes)
    gradient: FloatArray = np.exp(theta[0]) * np.stack([g, in_n0, in_h], axis=1)
    return gradient


def _power_bounds(_sizes: FloatArray) -> tuple[float, float]:
    return -3.0, 3.0


def _power_shape(exponent: FloatArray, sizes: FloatArray) -> Shape:
    z = np.log(sizes / REFERENCE_SIZE)
    g = np.exp(exponent * z)
    return g, z * g, z * z * g


def _solve_power(sizes: FloatArray, xx: FloatArray, xk: FloatArray) -> FloatArray:
    grid = np.linspace(*_power_bounds(sizes), GRID_POINTS)
    return best_shape(lambda b: _power_shape(b, sizes), grid, xx=xx, xk=xk)


def _power(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    k: FloatArray = np.exp(theta[:, :1]) * _power_shape(theta[:, 1:], sizes)[0]
    return k


def _power_jacobian(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    g, slope, _ = _power_shape(theta[1:], sizes)
    gradient: FloatArray = np.exp(theta[0]) * np.stack([g, slope], axis=1)
    return gradient


def _solve_constant(_sizes: FloatArray, xx: FloatArray, xk: FloatArray) -> FloatArray:
    k: FloatArray = np.sum(xk, axis=1, keepdims=True) / np.sum(xx, axis=1, keepdims=True)
    return k


def _constant(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    return np.repeat(theta, len(sizes), axis=1)


def _solve_log_linear(sizes: FloatArray, xx: FloatArray, xk: FloatArray) -> FloatArray:
    """Try every set of sizes that the clip at zero can switch off (the smallest few, or the largest few)."""
    z = np.log(sizes / REFERENCE_SIZE)
    count = len(sizes)
    best_gain = np.full(len(xx), -np.inf)
    best = np.zeros((len(xx), 2))
    for first, last in [(cut, count) for cut in range(count - 1)] + [(0, cut) for cut in range(2, count)]:
        theta = _weighted_line(z[first:last], xx[:, first:last], xk[:, first:last])
        k = _log_linear(theta, sizes)
        gain = np.sum(2 * k * xk - k**2 * xx, axis=1)
        better = gain > best_gain
        best_gain = np.where(better, gain, best_gain)
        best = np.where(better[:, None], theta, best)
    return best


def _weighted_line(z: FloatArray, xx: FloatArray, xk: FloatArray) -> FloatArray:
    mean_z = xx @ z / xx.sum(axis=1)
    centred = z - mean_z[:, None]
    slope = np.sum(centred * xk, axis=1) / np.sum(centred**2 * xx, axis=1)
    return np.stack([xk.sum(axis=1) / xx.sum(axis=1) - slope * mean_z, slope], axis=1)


def _log_linear(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    k: FloatArray = np.maximum(theta[:, :1] + theta[:, 1:] * np.log(sizes / REFERENCE_SIZE), 0.0)
    return k


def _log_linear_jacobian(theta: FloatArray, sizes: FloatArray) -> FloatArray:
    alive = (_log_linear(theta[None], sizes)[0] > 0).astype(np.float64)
    return np.stack([alive, alive * np.log(sizes / REFERENCE_SIZE)], axis=1)


REFERENCE_SIZE = 1e6  # a in `log-linear` and A in `power` are k at this N

K_FORMS: dict[str, KForm] = {
    form.name: form
    for form in (
        KForm(
            "saturating", "K_max / (1 + N_0/N)", ("K_max", "N_0"), ("", "parameters"), (True, True),
            _solve_saturating, _saturating, _saturating_jacobian, lambda sizes: (saturating_bounds(sizes),),
        ),
        KForm(
            "hill", "K_max / (1 + (N_0/N)^h)", ("K_max", "N_0", "h"), ("", "parameters", ""), (True, True, True),
            _solve_hill, _hill, _hill_jacobian, hill_boxes, fitted_from=4, compared_from=5,
        ),
        KForm(
            "log-linear", "max(0, a + b ln(N/1e6))", ("a", "b"), ("", ""), (False, False),
            _solve_log_linear, _log_linear, _log_linear_jacobian,
        ),
        KForm(
            "power", "A (N/1e6)^b", ("A", "b"), ("", ""), (True, False),
            _solve_power, _power, _power_jacobian, lambda sizes: (_power_bounds(sizes),),
        ),
        KForm(
            "constant", "a", ("a",), ("",), (False,),
            _solve_constant, _constant, lambda _theta, sizes: np.ones((len(sizes), 1)),
        ),
    )
}  # fmt: skip
