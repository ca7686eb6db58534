"""Each size on its own: free slope, level, goodness and stability of its straight line, run by run."""

import math

import numpy as np

from scaling.inter_model.estimate import Estimate, estimate
from scaling.inter_model.half_slopes import half_slopes
from scaling.inter_model.results import RunFit, SizeFit
from scaling.observations import Observations
from scaling.regression.design import Design, Moments, last_together
from scaling.results import Interval


def size_fits(observations: Observations, law: Estimate, estimator: str) -> tuple[SizeFit, ...]:
    """All sizes, ascending; those held out are described from their own rows, apart from the law's estimation."""
    fits = _fits(observations, law, law, held_out=False)
    if observations.where("holdout").any():
        apart = estimate(observations, observations.where("holdout"), estimator=estimator, k_form="free", draws=0)
        fits += _fits(observations, apart, law, held_out=True)
    return tuple(sorted(fits, key=lambda size: size.num_params))


def _fits(observations: Observations, own: Estimate, law: Estimate, *, held_out: bool) -> list[SizeFit]:
    halves = half_slopes(own)
    return [
        _one(observations, own, law, size=size, held_out=held_out, halves=halves[size])
        for size in range(own.design.num_sizes)
    ]


def _one(
    observations: Observations,
    own: Estimate,
    law: Estimate,
    *,
    size: int,
    held_out: bool,
    halves: tuple[float, float, float | None] | None,
) -> SizeFit:
    design, moments = own.design, own.free
    num_params = int(design.sizes[size])
    rows = design.rows[design.size == size]
    runs = tuple(_run(observations, design, moments, run) for run in design.runs_of(size))
    k_law: float | None = None
    k_law_interval: Interval | None = None
    if law.form is not None:
        k_law, k_law_interval = law.law_k(num_params)
    level_x, level = _centre(design, moments, size)
    r2 = [run.r2 for run in runs if run.r2 is not None]
    return SizeFit(
        num_params=num_params,
        models=tuple(sorted({observations.model[row] for row in rows})),
        held_out=held_out,
        num_evaluations=len(rows),
        baseline_loss=_baseline(observations, num_params, design.run_trial[design.runs_of(size)].tolist()),
        first_loss=float(np.mean([run.first_loss for run in runs])),
        last_loss=float(np.mean(observations.loss[design.rows[last_together(design, design.runs_of(size))]])),
        k=float(moments.slopes[size]),
        k_se=own.free_se(size),
        k_interval=own.free_interval(size),
        k_law=k_law,
        k_law_interval=k_law_interval,
        k_first_half=halves[0] if halves else None,
        k_second_half=halves[1] if halves else None,
        k_halves_se=halves[2] if halves else None,
        level=level,
        level_x=level_x,
        level_se=None if own.level_variances is None else math.sqrt(float(own.level_variances[size])),
        r2=float(np.mean(r2)) if r2 else None,
        x_min=min(run.x_min for run in runs),
        x_max=max(run.x_max for run in runs),
        runs=runs,
    )


def _run(observations: Observations, design: Design, moments: Moments, run: int) -> RunFit:
    rows = design.rows[design.run == run]
    xx, xk, yy = (float(each[run]) for each in (moments.run_xx, moments.run_xk, moments.run_yy))
    k = xk / xx
    return RunFit(
        trial_id=int(design.run_trial[run]),
        seed=int(observations.seed[rows[0]]),
        num_evaluations=len(rows),
        k=k,
        intercept=float(moments.run_y[run] + k * moments.run_x[run]),
        r2=k * xk / yy if yy > 0 else None,
        x_min=float(observations.x[rows[0]]),
        x_max=float(observations.x[rows[-1]]),
        first_loss=float(observations.loss[rows[0]]),
        last_loss=float(observations.loss[rows[-1]]),
    )


def _centre(design: Design, moments: Moments, size: int) -> tuple[float, float]:
    """x at the middle of the size's evaluations, and the mean over its runs of ln L there."""
    runs = design.runs_of(size)
    log_x = float(np.mean(moments.run_x[runs]))
    levels = moments.run_y[runs] + moments.slopes[size] * (moments.run_x[runs] - log_x)
    return math.exp(log_x), float(np.mean(levels))


def _baseline(observations: Observations, num_params: int, trials: list[int]) -> float | None:
    before = observations.where("baseline") & (observations.num_params == num_params)
    mine = before & np.isin(observations.trial_id, trials)
    return float(np.mean(observations.loss[mine])) if mine.any() else None
