"""The slopes of the two halves of the window: does k depend on where one looks?"""

import math

import numpy as np

from scaling.inter_model.estimate import Estimate
from scaling.observations import BoolArray, FloatArray
from scaling.regression.design import Design, Moments, moments_of


def half_slopes(estimate: Estimate) -> list[tuple[float, float, float | None] | None]:
    """For each size, k in the first and in the second half of its ln X and the standard error of their difference.

    None where a half holds fewer than three evaluations of a run.
    """
    design, free = estimate.design, estimate.free
    log_loss = free.y + free.run_y[design.run]
    middle = np.array([_middle(design.log_x[design.size == size]) for size in range(design.num_sizes)])
    early = design.log_x < middle[design.size]
    found: list[tuple[float, float, float | None] | None] = []
    for size in range(design.num_sizes):
        halves = [_sums(design, log_loss, free.weight, (design.size == size) & half) for half in (early, ~early)]
        if halves[0] is None or halves[1] is None:
            found.append(None)
            continue
        (xx1, xk1), (xx2, xk2) = halves[0], halves[1]
        widest = estimate.spread.widest(size)
        se = None if widest is None else math.sqrt(widest[0] * (1 / xx1 + 1 / xx2))
        found.append((xk1 / xx1, xk2 / xx2, se))
    return found


def part_moments(
    design: Design, log_loss: FloatArray, weight: FloatArray, rows: BoolArray
) -> tuple[Design, Moments] | None:
    """Some rows of one size on their own, each run with a level of this part; None below three of some run."""
    lengths = np.bincount(design.run[rows])
    if not rows.any() or lengths[lengths > 0].min() < 3:
        return None
    runs, run = np.unique(design.run[rows], return_inverse=True)
    part = Design(
        rows=design.rows[rows],
        log_x=design.log_x[rows],
        run=run.reshape(-1),
        size=np.zeros(int(rows.sum()), dtype=np.int64),
        run_size=np.zeros(len(runs), dtype=np.int64),
        run_trial=design.run_trial[runs],
        sizes=design.sizes[:1],
    )
    return part, moments_of(part, log_loss[rows], weight[rows])


def _sums(design: Design, log_loss: FloatArray, weight: FloatArray, rows: BoolArray) -> tuple[float, float] | None:
    part = part_moments(design, log_loss, weight, rows)
    return None if part is None else (float(part[1].xx[0]), float(part[1].xk[0]))


def _middle(log_x: FloatArray) -> float:
    return float(log_x.min() + log_x.max()) / 2
