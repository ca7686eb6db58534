"""How many completions of each prompt are best, for a given budget? Learning curves of every group size, compared.

The best group size depends on the budget, so the answer is a curve: the best one at every x that two group sizes
cover, how sure that is, and where curves cross. `fit_group_size` is pure and deterministic; it writes nothing and
prints nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scaling.admission import admit
from scaling.axes import X_UNIT, XKind
from scaling.errors import FitError
from scaling.group_size.checks import group_checks
from scaling.group_size.curves import CUBIC, LINE, GroupCurve, coefficient_draws, group_curve
from scaling.group_size.optimum import best_at, crossings_of, ranges_of
from scaling.group_size.results import BestRange, Crossing, GroupFit, GroupSizeFit, GroupSizesOfModel
from scaling.observations import IntArray, Observations, Row, data_sha256, from_rows
from scaling.regression.design import design_of
from scaling.regression.estimators import choose_estimator, linearise
from scaling.regression.linearity import curvature
from scaling.wording import short

CURVATURE_P = 0.01
ESTIMATORS = ("ols-log", "qb")


def fit_group_size(
    rows: Sequence[Row],
    *,
    x: XKind = "flops",
    estimator: str = "auto",
    draws: int = 1000,
    from_x: float | None = None,
    to_x: float | None = None,
) -> GroupSizeFit:
    """Compare the group sizes of every model that was run with several.

    `rows` are those of the view `learning_curve`, of one benchmark and protocol. `estimator`: ols-log, or qb, which
    reads counts and needs no loss above 0; auto takes qb where there are counts. `draws` of the parametric bootstrap;
    0 leaves out how sure anything is.
    """
    observations = _observations(rows, x, from_x, to_x)
    estimator = choose_estimator(estimator, observations)
    if estimator not in ESTIMATORS:
        raise FitError(f"estimator {estimator!r} does not compare group sizes. Choose {' or '.join(ESTIMATORS)}.")
    observations = admit(observations, estimator)
    seed = observations.seed_of(observations.where("train"))
    models, left_out = [], []
    for model in sorted(set(observations.model)):
        chosen = observations.where("train") & np.array([each == model for each in observations.model])
        sizes = sorted({int(each) for each in observations.group_size[chosen]})
        if len(sizes) < 2:
            left_out.append(
                (model, f"its evaluations in the window have one group size ({', '.join(map(str, sizes))})")
            )
        else:
            models.append(_model(observations, np.flatnonzero(chosen), estimator=estimator, draws=draws, seed=seed))
    if not models:
        raise FitError(
            "no model was run with several group sizes, so there is nothing to compare. Run a sweep with an axis "
            "group_size, or widen the window."
        )
    models.sort(key=lambda each: (each.num_params, each.model))
    return GroupSizeFit(
        x_kind=x,
        benchmark=observations.benchmark,
        protocol=observations.protocol,
        from_x=from_x,
        to_x=to_x,
        estimator=estimator,
        draws=draws,
        data_sha256=observations.data_sha256,
        num_points=sum(group.num_evaluations for model in models for group in model.groups),
        models=tuple(models),
        left_out=tuple(left_out),
        checks=tuple(group_checks(models, rows, left_out, unit=X_UNIT[x])),
    )


def _observations(rows: Sequence[Row], x: XKind, from_x: float | None, to_x: float | None) -> Observations:
    """The rows whose group size is known, with the digest of all of them."""
    known = [row for row in rows if row.get("group_size") is not None]
    if rows and not known:
        raise FitError("the group size of these runs is not known. Import them again with --set group_size=NUMBER.")
    return replace(from_rows(known, x=x, from_x=from_x, to_x=to_x), data_sha256=data_sha256(rows))


def _model(observations: Observations, rows: IntArray, *, estimator: str, draws: int, seed: int) -> GroupSizesOfModel:
    p_value = _curvature(observations, rows, estimator)
    fewest = min(np.sum(observations.trial_id[rows] == trial) for trial in np.unique(observations.trial_id[rows]))
    is_bent = p_value is not None and p_value < CURVATURE_P and fewest > CUBIC
    curves = []
    for group_size in np.unique(observations.group_size[rows]):
        mine = rows[observations.group_size[rows] == group_size]
        curves.append(
            group_curve(observations, mine, int(group_size), estimator=estimator, terms=CUBIC if is_bent else LINE)
        )
    drawn = coefficient_draws(curves, draws=draws, seed=seed)
    best, crossings = best_at(curves, drawn), crossings_of(curves, drawn)
    ranges = ranges_of(best)
    model = observations.model[rows[0]]
    return GroupSizesOfModel(
        model=model,
        num_params=int(observations.num_params[rows[0]]),
        shape="cubic" if is_bent else "line",
        curvature_p=p_value,
        groups=tuple(_group(curve) for curve in curves),
        best=best,
        ranges=ranges,
        crossings=crossings,
        summary=_in_words(model, ranges, crossings, X_UNIT[observations.x_kind]),
    )


def _curvature(observations: Observations, rows: IntArray, estimator: str) -> float | None:
    """p-value of curvature beyond a line, of all group sizes jointly, as if the group size were the model's size."""
    by_group = replace(observations, num_params=observations.group_size)
    chosen = np.zeros(len(observations), dtype=np.bool_)
    chosen[rows] = True
    design = design_of(by_group, chosen)
    test = curvature(design, linearise(by_group, design, estimator))
    return None if test is None else test[0]


def _group(curve: GroupCurve) -> GroupFit:
    ends = curve.log_loss(np.array([curve.low, curve.high]))
    return GroupFit(
        group_size=curve.group_size,
        num_runs=len(curve.runs),
        num_evaluations=sum(len(run.root_weight) for run in curve.runs),
        x_min=math.exp(curve.low),
        x_max=math.exp(curve.high),
        first_loss=math.exp(ends[0]),
        last_loss=math.exp(ends[1]),
        k=float(ends[0] - ends[1]) / (curve.high - curve.low),
        centre=curve.centre,
        half=curve.half,
        coefficients=tuple(curve.coefficients.tolist()),
    )


def _in_words(model: str, ranges: Sequence[BestRange], crossings: Sequence[Crossing], unit: str) -> str:
    """One sentence that a researcher can quote."""
    if not ranges:
        return f"{model}: no budget is covered by two group sizes, so none is better."
    handovers = {(before.group_size, after.group_size) for before, after in itertools.pairwise(ranges)}
    parts = [
        f"G = {each.group_size} has the lowest loss from {short(each.from_x)} to {short(each.to_x)} {unit}{_sure(each)}"
        for each in ranges
    ]
    parts += [
        f"G = {each.after} overtakes G = {each.before} at {short(each.x)} {unit}{_span(each)}"
        for each in crossings
        if (each.before, each.after) in handovers
    ]
    return f"{model}: {'; '.join(parts)}."


def _sure(best: BestRange) -> str:
    if best.lowest_share is None or best.highest_share is None:
        return ""
    return f" (in {best.lowest_share:.0%} to {best.highest_share:.0%} of draws)"


def _span(crossing: Crossing) -> str:
    if crossing.share is None:
        return ""
    low = "below what was run" if crossing.low is None else short(crossing.low)
    high = "beyond what was run" if crossing.high is None else short(crossing.high)
    return f" (95% interval from {low} to {high})"
