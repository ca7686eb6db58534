"""The shapes of learning curves between their two levels, 1 at small x and 0 at large, with their derivatives.

Each is a `shape_search.Rise`: `on_grid` for the grid that begins the search, `at` for Newton's method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.observations import FloatArray


@dataclass(frozen=True, eq=False)
class PowerRise:
    """(x / reference)^-k by ln k. Exponents as logarithms: small ones, near a line in ln X, are as likely as large."""

    log_x: FloatArray  # less that of the reference

    def on_grid(self, axes: Sequence[FloatArray]) -> FloatArray:
        rise: FloatArray = np.exp(-np.exp(axes[0])[:, None] * self.log_x)
        return rise

    def at(self, shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        far = np.exp(shape[0]) * self.log_x
        rise = np.exp(-far)
        return rise, -(far * rise)[None], ((far * far - far) * rise)[None, None]


@dataclass(frozen=True, eq=False)
class SRise:
    """1 / (1 + (x / X_mid)^B) by (ln X_mid, B)."""

    log_x: FloatArray

    def on_grid(self, axes: Sequence[FloatArray]) -> FloatArray:
        middle, exponent = axes
        centre = self.log_x.mean()
        # (x / X_mid)^B as a product: one exponential for each x and each X_mid, and none for their pairs.
        of_x = np.exp(exponent[:, None] * (self.log_x - centre))
        of_middle = np.exp(exponent * (centre - middle[:, None]))
        power = of_middle[:, :, None] * of_x
        power += 1.0
        rise: FloatArray = np.reciprocal(power, out=power).reshape(-1, len(self.log_x))
        return rise

    def at(self, shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        middle, exponent = float(shape[0]), float(shape[1])
        far = self.log_x - middle
        rise = 1.0 / (1.0 + np.exp(np.minimum(exponent * far, 700.0)))
        first = -rise * (1.0 - rise)  # in B (ln x - ln X_mid)
        second = first * (2.0 * rise - 1.0)
        cross = -exponent * far * second - first
        bends = np.array([[exponent * exponent * second, cross], [cross, far * far * second]])
        return rise, np.array([-exponent * first, far * first]), bends


@dataclass(frozen=True, eq=False)
class FixedExponentRise:
    """1 / (1 + (x / X_mid)^B) by ln X_mid alone, for a B that is given."""

    log_x: FloatArray
    exponent: float

    def on_grid(self, axes: Sequence[FloatArray]) -> FloatArray:
        """(middles, points)."""
        return SRise(self.log_x).on_grid([axes[0], np.array([self.exponent])])

    def at(self, shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The curve, its slope and its curvature in ln X_mid."""
        rise, first, second = SRise(self.log_x).at(np.array([shape[0], self.exponent]))
        return rise, first[:1], second[:1, :1]
