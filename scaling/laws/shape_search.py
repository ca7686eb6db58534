"""The best curve low + height * rise(x; shape) through weighted points: only the shape is searched, levels are solved.

A grid finds the right valley of the sum of squares, Newton's method its bottom. The derivatives are exact: those of all
numbers together, with the levels eliminated (a Schur complement), so the search does not crawl along the narrow valleys
of short curves. Deterministic: no starts, no seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from scaling.observations import FloatArray

MAX_STEPS = 100
STEP_TOLERANCE = 1e-9
GIVE_UP = 1e12  # damping at which no step helps any more

Bounds: TypeAlias = Sequence[tuple[float, float]]
# Best levels (low, height) of each shape, and the weighted sum of squares that they leave.
Levels: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]


class Rise(Protocol):
    """What a family of curves looks like between its levels: 1 at small x, 0 at large."""

    def on_grid(self, axes: Sequence[FloatArray]) -> FloatArray:
        """(shapes, points), the last axis of the grid fastest."""

    def at(self, shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """rise (points,), its gradient (q, points) and its second derivatives (q, q, points) in the shape."""


@dataclass(frozen=True, eq=False)
class Points:
    """Losses y with weights. `start`: the level on the left where it was measured, and so is not free."""

    y: FloatArray
    weight: FloatArray
    start: float | None = None


@dataclass(frozen=True, eq=False)
class _Place:
    """A shape with its best levels: half the sum of squares, and its gradient and curvature in the shape.

    `push`: its derivative in the lower level; above 0 where that level would rather be negative.
    """

    shape: FloatArray
    low: float
    height: float
    value: float
    slope: FloatArray
    bend: FloatArray
    push: float


def best_curve(points: Points, rise: Rise, box: Bounds, *, count: int) -> tuple[FloatArray, float, float]:
    """Shape, low and height (both at least 0) of the nearest curve inside the box; `count` grid points an axis."""
    axes = [np.linspace(low, high, count) for low, high in box]
    best = int(np.argmin(levels(points, rise.on_grid(axes))[2]))
    shape = np.array(
        [axis[index] for axis, index in zip(axes, np.unravel_index(best, [count] * len(axes)), strict=True)]
    )
    place = _descend(points, rise, np.array(box), shape)
    return place.shape, place.low, place.height


def levels(points: Points, rise: FloatArray) -> Levels:
    """Best levels of each row of `rise`, (shapes, points)."""
    w, y = points.weight, points.y
    ab, bb, yb = rise @ w, rise**2 @ w, rise @ (w * y)
    aa, ya, yy = float(w.sum()), float(w @ y), float(w @ (y * y))
    if points.start is not None:
        return _below(points.start, aa=aa, ab=ab, bb=bb, ya=ya, yb=yb, yy=yy)
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = aa * bb - ab * ab
        low, height = (bb * ya - ab * yb) / determinant, (aa * yb - ab * ya) / determinant
        inside = np.isfinite(low) & np.isfinite(height) & (low >= 0) & (height >= 0)
        bare = np.maximum(yb / bb, 0.0)
    flat, bare = max(ya / aa, 0.0), np.nan_to_num(bare)
    # Least squares in two numbers under bounds: the inner optimum, or the better of the two edges.
    on_floor = 2 * bare * yb - bare**2 * bb > 2 * flat * ya - flat**2 * aa
    low = np.where(inside, low, np.where(on_floor, 0.0, flat))
    height = np.where(inside, height, np.where(on_floor, bare, 0.0))
    rss = yy - 2 * (low * ya + height * yb) + low**2 * aa + 2 * low * height * ab + height**2 * bb
    return low, height, np.maximum(rss, 0.0)


def _below(start: float, *, aa: float, ab: FloatArray, bb: FloatArray, ya: float, yb: FloatArray, yy: float) -> Levels:
    """Only the lower level is free: low (1 - rise) + start * rise."""
    right, gap = aa - 2 * ab + bb, ya - yb - start * (ab - bb)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.nan_to_num(np.maximum(gap / right, 0.0))
    rss = yy - 2 * start * yb + start**2 * bb - 2 * low * gap + low**2 * right
    return low, start - low, np.maximum(rss, 0.0)


def _place(points: Points, rise: Rise, shape: FloatArray, on_zero: bool) -> _Place:
    """The curvature is that of shape and levels together with the free levels eliminated.

    `on_zero`: the lower level is kept at 0.
    """
    w, start = points.weight, points.start
    phi, first, second = rise.at(shape)
    low, height = _levels_of(points, phi, on_zero)
    gap = low + height * phi - points.y
    weighted = w * gap
    # Slopes of the curve: in the level(s), and in the shape when the height is taken out.
    in_low = np.ones_like(phi) if start is None else 1.0 - phi
    slopes = np.concatenate([in_low[None], phi[None], first])
    gram = (slopes * w) @ slopes.T
    pull = slopes @ weighted
    bend = height * (height * gram[2:, 2:] + second @ weighted)
    free = [index for index, is_free in enumerate((low > 0, start is None and height > 0)) if is_free]
    if free:
        # How the slope in each level changes with the shape: phi moves by `first`, 1 - phi by minus that, 1 by nothing.
        moves = np.array([0.0 if start is None else -1.0, 1.0])
        cross = height * gram[2:, free] + pull[2:, None] * moves[free]
        own = gram[free][:, free] * (1.0 + 1e-14 * np.eye(len(free)))  # a flat rise looks like a level
        bend = bend - cross @ np.linalg.solve(own, cross.T)
    return _Place(shape, low, height, float(gap @ weighted) / 2, height * pull[2:], bend, float(pull[0]))


def _levels_of(points: Points, phi: FloatArray, on_zero: bool) -> tuple[float, float]:
    if not on_zero:
        low, height, _ = levels(points, phi[None])
        return float(low[0]), float(height[0])
    if points.start is not None:
        return 0.0, points.start
    own = points.weight * phi
    return 0.0, max(float(own @ points.y) / float(own @ phi), 0.0)


def _descend(points: Points, rise: Rise, box: FloatArray, shape: FloatArray, *, on_zero: bool = False) -> _Place:
    """Damped Newton inside the box: shorter steps where a step does not help, the edge where it leads out.

    Where the lower level meets 0 the curvature jumps, and steps would hop across that fold: the bottom is then looked
    for on the fold, and taken if the level does not want to leave it.
    """
    here = _place(points, rise, shape, on_zero)
    damping, is_fold_new = 1e-3, not on_zero
    for _ in range(MAX_STEPS):
        stuck = ((here.shape <= box[:, 0]) & (here.slope > 0)) | ((here.shape >= box[:, 1]) & (here.slope < 0))
        free = np.flatnonzero(~stuck)
        if not len(free):
            break
        target = here.shape.copy()
        target[free] += _step(here.slope[free], here.bend[free][:, free], damping)
        target = np.clip(target, box[:, 0], box[:, 1])
        length = float(np.max(np.abs(target - here.shape)))
        there = _place(points, rise, target, on_zero)
        if is_fold_new and there.low == 0 < here.low:
            is_fold_new = False
            fold = _descend(points, rise, box, target, on_zero=True)
            if fold.value <= here.value and fold.push >= 0:
                return fold
        if there.value <= here.value:
            here, damping = there, damping / 10
            if length < STEP_TOLERANCE:
                break
        else:
            damping = max(damping, 1e-6) * 10
            if damping > GIVE_UP or length < STEP_TOLERANCE:
                break
    return here


def _step(slope: FloatArray, bend: FloatArray, damping: float) -> FloatArray:
    """Newton's step downhill, with the curvature made positive and larger by the damping."""
    scale = max(float(np.max(np.abs(np.diag(bend)))), 1e-300)
    if len(slope) == 1:
        lowest = float(bend[0, 0])
    else:
        (a, b), (_, c) = bend.tolist()
        lowest = (a + c) / 2 - float(np.hypot((a - c) / 2, b))
    shift = max(1e-10 * scale - lowest, 0.0) + damping * scale
    if len(slope) == 1:
        return -slope / (lowest + shift)
    a, c = a + shift, c + shift
    up = slope.tolist()
    determinant = a * c - b * b
    return np.array([-(c * up[0] - b * up[1]) / determinant, -(a * up[1] - b * up[0]) / determinant])
