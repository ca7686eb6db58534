"""Resampling blocks of a run, on moments: a thousand refits of a law cost a few milliseconds.

Blocks keep neighbouring, correlated evaluations together. There are few of them, so percentiles are pushed outwards
by sqrt(m/(m-1)) and by Student's t over the normal quantile, m being the blocks of a size.
"""

import math
from dataclasses import dataclass

import numpy as np

from scaling.observations import FloatArray, IntArray
from scaling.regression.design import Design, Moments
from scaling.regression.intervals import interval_of
from scaling.regression.spread import MIN_EVALUATIONS, Spread, longest_runs, t_quantile
from scaling.results import Interval

Z = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Resamples:
    """Block-bootstrap moments: `xx` and `xk` of shape (draws, sizes), and how many blocks each long size had."""

    xx: FloatArray
    xk: FloatArray
    blocks: IntArray

    def widening(self, num_parameters: int) -> float:
        """Factor for percentile half-widths: few blocks make a bootstrap too narrow."""
        fewest, total = int(self.blocks.min()), int(self.blocks.sum())
        return math.sqrt(fewest / (fewest - 1)) * t_quantile(max(total - num_parameters, 1)) / Z


def resample(design: Design, moments: Moments, spread: Spread, *, draws: int, seed: int) -> Resamples | None:
    """Draw blocks of evaluations with replacement, pooled over the runs of a size, and sum their moments.

    Blocks are a fifth of the run (a third where neighbours correlate above .8), three evaluations at least. Two blocks
    tell nothing, so the slope of a size without a run of `MIN_EVALUATIONS` evaluations is drawn from a normal
    distribution with its variance within runs instead; None where all sizes are like that.
    """
    if draws < 1 or spread.within is None:
        return None
    is_long = longest_runs(design) >= MIN_EVALUATIONS
    parts = 3 if (spread.autocorrelation or 0.0) > 0.8 else 5
    block, block_size = _blocks(design, parts)
    rng = np.random.Generator(np.random.PCG64(seed))
    sums = [
        np.bincount(block, moments.weight * each)
        for each in (np.ones_like(moments.x), moments.x, moments.y, moments.x**2, moments.x * moments.y)
    ]
    xx = np.empty((draws, design.num_sizes))
    xk = np.empty((draws, design.num_sizes))
    for size in range(design.num_sizes):
        if not is_long[size]:
            xx[:, size] = moments.xx[size]
            root = math.sqrt(float(spread.within[size] * moments.xx[size]))
            xk[:, size] = moments.xk[size] + root * rng.standard_normal(draws)
            continue
        mine = np.flatnonzero(block_size == size)
        counts = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=draws)
        w, wx, wy, wxx, wxy = (counts @ each[mine] for each in sums)
        # A draw of one short block over and over has no spread in x; it must weigh nothing, not divide by zero.
        xx[:, size] = np.maximum(wxx - wx**2 / w, 1e-9 * moments.xx[size])
        xk[:, size] = -(wxy - wx * wy / w)
    blocks = np.bincount(block_size, minlength=design.num_sizes)[is_long]
    return Resamples(xx=xx, xk=xk, blocks=blocks)


def percentile_interval(draws: FloatArray, centre: float, widening: float, *, log: bool = False) -> Interval:
    """2.5 and 97.5% of the draws, pushed away from the estimate by `widening`; on the log scale if asked."""
    low, high = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")  # no arithmetic with ln 0
    low, high = centre + widening * (low - centre), centre + widening * (high - centre)
    return interval_of(float(low), float(high), "block bootstrap", log=log)


def _blocks(design: Design, parts: int) -> tuple[IntArray, IntArray]:
    """Block index of each row, and size index of each block. Rows of a run are contiguous and ordered by x."""
    block = np.empty(len(design.rows), dtype=np.int64)
    block_size: list[int] = []
    for run in range(design.num_runs):
        mine = np.flatnonzero(design.run == run)
        length = max(math.ceil(len(mine) / parts), 3)
        block[mine] = len(block_size) + np.arange(len(mine)) // length
        block_size += [int(design.run_size[run])] * math.ceil(len(mine) / length)
    return block, np.array(block_size)
