"""Evaluations as a weighted regression of ln L on ln X, reduced to a handful of sums per run and per size.

With one level per run and one slope per size, every law k(N) sees the data only through these sums:
RSS = sum_i RSS_i* + sum_i xx_i (k_i - k(N_i))^2. The level belongs to the run, not to the size, so that runs of
different length or from different base checkpoints cannot pass a difference in level off as a slope; where the
runs of a size share their x-grid the slopes are the same either way.
"""

from dataclasses import dataclass, replace

import numpy as np

from scaling.observations import BoolArray, FloatArray, IntArray, Observations


@dataclass(frozen=True, eq=False)
class Design:
    """The rows of a regression, grouped: `run` and `size` are indices of each row, `run_size` of each run."""

    rows: IntArray
    log_x: FloatArray
    run: IntArray
    size: IntArray
    run_size: IntArray
    run_trial: IntArray
    sizes: FloatArray

    @property
    def num_sizes(self) -> int:
        return len(self.sizes)

    @property
    def num_runs(self) -> int:
        return len(self.run_size)

    def runs_of(self, size: int) -> IntArray:
        """Indices of the runs of the size with this index."""
        return np.flatnonzero(self.run_size == size)


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted sums of a design after centring each run: `xx` = sum w x^2, `xk` = -sum w x y, `yy` = sum w y^2.

    Plain names are per size, `run_...` per run, `x`, `y`, `weight` per row (x and y centred on their run).
    """

    x: FloatArray
    y: FloatArray
    weight: FloatArray
    run_x: FloatArray
    run_y: FloatArray
    run_xx: FloatArray
    run_xk: FloatArray
    run_yy: FloatArray
    xx: FloatArray
    xk: FloatArray
    yy: FloatArray

    @property
    def slopes(self) -> FloatArray:
        """Free slope k of each size."""
        return self.xk / self.xx

    def reweighted(self, design: Design, factor: FloatArray) -> "Moments":
        """The same sums when the rows of each size count `factor` times as much."""
        of_run, of_row = factor[design.run_size], factor[design.size]
        return replace(
            self,
            weight=self.weight * of_row,
            run_xx=self.run_xx * of_run,
            run_xk=self.run_xk * of_run,
            run_yy=self.run_yy * of_run,
            xx=self.xx * factor,
            xk=self.xk * factor,
            yy=self.yy * factor,
        )

    def rss(self, slopes: FloatArray) -> float:
        """Weighted residual sum of squares when the sizes have these slopes."""
        return float(np.sum(self.yy - 2 * slopes * self.xk + slopes**2 * self.xx))


def design_of(observations: Observations, rows: BoolArray) -> Design:
    """Group the selected rows by run and by size; every run must hold two different x (see `admission`)."""
    index = np.flatnonzero(rows)
    sizes, size = np.unique(observations.num_params[index], return_inverse=True)
    trials, trial = np.unique(observations.trial_id[index], return_inverse=True)
    runs, run = np.unique(size * len(trials) + trial, return_inverse=True)
    return Design(
        rows=index,
        log_x=np.log(observations.x[index]),
        run=run.astype(np.int64),
        size=size.astype(np.int64),
        run_size=runs // len(trials),
        run_trial=trials[runs % len(trials)],
        sizes=sizes.astype(np.float64),
    )


def last_together(design: Design, runs: IntArray) -> IntArray:
    """For each of these runs, the position in the design of its evaluation nearest to the largest ln x all reached.

    The last losses of runs that end at different x are not of one moment, and their mean would be of none.
    """
    mine = [np.flatnonzero(design.run == run) for run in runs]
    end = min(float(design.log_x[rows].max()) for rows in mine)
    return np.array([rows[np.argmin(np.abs(design.log_x[rows] - end))] for rows in mine], dtype=np.int64)


def moments_of(design: Design, log_loss: FloatArray, weight: FloatArray) -> Moments:
    """Centre each run on its weighted mean and sum over runs and sizes."""
    runs, sizes = design.num_runs, design.num_sizes
    total = sum_by(design.run, weight, runs)
    run_x = sum_by(design.run, weight * design.log_x, runs) / total
    run_y = sum_by(design.run, weight * log_loss, runs) / total
    x = design.log_x - run_x[design.run]
    y = log_loss - run_y[design.run]
    run_xx = sum_by(design.run, weight * x * x, runs)
    run_xk = -sum_by(design.run, weight * x * y, runs)
    run_yy = sum_by(design.run, weight * y * y, runs)
    xx, xk, yy = (sum_by(design.run_size, each, sizes) for each in (run_xx, run_xk, run_yy))
    return Moments(x, y, weight, run_x, run_y, run_xx, run_xk, run_yy, xx, xk, yy)


def sum_by(group: IntArray, values: FloatArray, count: int) -> FloatArray:
    """Sum of the values in each of `count` groups."""
    return np.bincount(group, values, minlength=count).astype(np.float64)


def fitted_log_loss(design: Design, moments: Moments, slopes: FloatArray) -> FloatArray:
    """ln L of each row on its run's line, when the sizes have these slopes."""
    fitted: FloatArray = moments.run_y[design.run] - slopes[design.size] * moments.x
    return fitted
