"""Does using prompts again hurt? Runs at every tau against their own twins that saw each prompt once.

d = ln L(tau) - ln L(1) at equal numbers of prompts; .02 means a loss 2% higher. A tau is called safe only where harm
beyond the margin is ruled out, not where it merely was not found: a study too small to see harm settles nothing.
`fit_data_reuse` is pure and deterministic; it writes nothing and prints nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from scaling.data_reuse.checks import reuse_checks
from scaling.data_reuse.noise import Noise, Source, between, interval, noise_of, within
from scaling.data_reuse.onset import find_onset
from scaling.data_reuse.pairs import Pair, pair_runs
from scaling.data_reuse.results import DataReuseFit, Onset, PairFit, ReuseOfModel, TauEffect, Verdict
from scaling.errors import FitError
from scaling.observations import FloatArray, Row, from_rows
from scaling.results import Interval

MIN_FOR_SLOPE = 3


def fit_data_reuse(
    rows: Sequence[Row],
    *,
    margin: float = 0.02,
    window: float = 0.2,
    draws: int = 1000,
    from_x: float | None = None,
    to_x: float | None = None,
) -> DataReuseFit:
    """Judge every tau of every model by its paired differences.

    `rows` are those of the view `learning_curve`, of one benchmark and protocol. `margin`: the relative rise of loss
    that still counts as none. `window`: the last share of a pair's evaluations that is averaged. `draws` bootstrap
    resamples for the onset of harm; 0 leaves it without an interval. `from_x`, `to_x` bound the prompts looked at.
    """
    if not 0 < margin < 1 or not 0 < window <= 1:
        raise FitError(f"margin = {margin:g} and window = {window:g} are shares: give numbers between 0 and 1.")
    observations = from_rows(rows, x="samples", from_x=from_x, to_x=to_x)
    pairing = pair_runs(rows, observations)
    seed = observations.seed_of(observations.where("train"))
    models = []
    for _, group in itertools.groupby(pairing.pairs, key=lambda pair: (pair.num_params, pair.model)):
        models.append(_model(list(group), margin=margin, window=window, draws=draws, seed=seed))
    return DataReuseFit(
        benchmark=observations.benchmark,
        protocol=observations.protocol,
        from_x=from_x,
        to_x=to_x,
        margin=margin,
        window=window,
        draws=draws,
        data_sha256=observations.data_sha256,
        num_points=sum(len(pair) for pair in pairing.pairs),
        models=tuple(models),
        left_out=pairing.left_out,
        checks=tuple(reuse_checks(models, pairing)),
    )


def _model(pairs: list[Pair], *, margin: float, window: float, draws: int, seed: int) -> ReuseOfModel:
    noise = noise_of(pairs)
    windows = [_last_weights(pair, math.ceil(window * len(pair))) for pair in pairs]
    taus = sorted({pair.tau for pair in pairs})
    effects = tuple(_effect(tau, pairs, noise, windows, margin=margin) for tau in taus)
    onset = find_onset(effects, pairs, noise, windows, level=math.log1p(margin), draws=draws, seed=seed)
    safe = list(itertools.takewhile(lambda effect: effect.verdict == "equivalent", effects))
    largest_safe = safe[-1].tau if safe else None
    return ReuseOfModel(
        model=pairs[0].model,
        num_params=pairs[0].num_params,
        seeds=tuple(sorted({pair.seed for pair in pairs})),
        autocorrelation=noise.correlation if noise.variance else None,
        effects=effects,
        largest_safe_tau=largest_safe,
        onset=onset,
        pairs=tuple(_pair_fit(pair, weights) for pair, weights in zip(pairs, windows, strict=True)),
        summary=_in_words(pairs[0].model, effects, largest_safe, onset=onset, margin=margin),
    )


def _effect(
    tau: float, pairs: Sequence[Pair], noise: Noise, windows: Sequence[FloatArray], *, margin: float
) -> TauEffect:
    level = math.log1p(margin)
    mean, sources = _mean(tau, pairs, noise, windows)
    wide, narrow = interval(mean, 0.95, *sources), interval(mean, 0.90, *sources)
    last, of_last = _mean(tau, pairs, noise, [_last_weights(pair, 1) for pair in pairs])
    last_interval = interval(last, 0.95, *of_last)
    slope, slope_interval = None, None
    tilts = [_slope_weights(pair) for pair in pairs]
    if any(pair.tau == tau and tilt is not None for pair, tilt in zip(pairs, tilts, strict=True)):
        slope, of_slope = _mean(tau, pairs, noise, tilts)
        slope_interval = interval(slope, 0.95, *of_slope)
    is_rising = slope_interval is not None and slope_interval.low > 0
    verdict: Verdict = "not_settled"
    if mean > 0 and (is_rising or _shows_harm(mean, wide, level)):
        verdict = "harmful"
    elif not is_rising and not _shows_harm(last, last_interval, level) and narrow is not None and narrow.high < level:
        verdict = "equivalent"
    mine = [pair for pair in pairs if pair.tau == tau]
    return TauEffect(
        tau=tau,
        num_pairs=len(mine),
        num_evaluations=sum(len(pair) for pair in mine),
        end_x=min(float(pair.x[-1]) for pair in mine),
        mean=mean,
        interval=wide,
        interval_90=narrow,
        last=last,
        last_interval=last_interval,
        slope=slope,
        slope_interval=slope_interval,
        verdict=verdict,
    )


def _shows_harm(difference: float, of_it: Interval | None, level: float) -> bool:
    return difference >= level and of_it is not None and of_it.low > 0


def _mean(
    tau: float, pairs: Sequence[Pair], noise: Noise, weights: Sequence[FloatArray | None]
) -> tuple[float, tuple[Source | None, Source | None]]:
    """Mean over the pairs of this tau of weights . differences, and what it could be off by; pairs without weights
    stay out.
    """
    values: dict[float, list[float]] = {}
    mine = []
    for pair, each in zip(pairs, weights, strict=True):
        if each is None:
            continue
        values.setdefault(pair.tau, []).append(float(each @ pair.difference))
        if pair.tau == tau:
            mine.append(each)
    return float(np.mean(values[tau])), (within(noise, tau, mine), between(values, tau))


def _last_weights(pair: Pair, count: int) -> FloatArray:
    """Those of the mean over the last `count` evaluations."""
    weights = np.zeros(len(pair))
    weights[-count:] = 1 / count
    return weights


def _slope_weights(pair: Pair) -> FloatArray | None:
    """Those of the least-squares slope in ln x over the last third of ln x; None with fewer than three points there."""
    log_x = np.log(pair.x)
    late = log_x >= log_x[0] + 2 / 3 * (log_x[-1] - log_x[0])
    if late.sum() < MIN_FOR_SLOPE:
        return None
    centred = np.where(late, log_x - log_x[late].mean(), 0.0)
    weights: FloatArray = centred / float(centred @ centred)
    return weights


def _pair_fit(pair: Pair, weights: FloatArray) -> PairFit:
    return PairFit(
        trial_id=pair.trial_id,
        twin_trial_id=pair.twin_trial_id,
        tau=pair.tau,
        seed=pair.seed,
        mean=float(weights @ pair.difference),
        x=tuple(pair.x.tolist()),
        difference=tuple(pair.difference.tolist()),
    )


def _in_words(
    model: str, effects: Sequence[TauEffect], largest_safe: float | None, *, onset: Onset, margin: float
) -> str:
    """One sentence that a researcher can quote."""
    parts = []
    if largest_safe is not None:
        parts.append(f"up to tau = {largest_safe:g}, a loss {margin:.0%} above that of fresh prompts is ruled out")
    harmful = [effect for effect in effects if effect.verdict == "harmful"]
    if harmful:
        each = ", ".join(f"{effect.tau:g} ({effect.in_words()})" for effect in harmful)
        parts.append(f"reuse hurts at tau = {each}")
    else:
        parts.append(f"no harm is shown up to tau = {effects[-1].tau:g}")
    unsettled = [f"{effect.tau:g}" for effect in effects if effect.verdict == "not_settled"]
    if unsettled:
        parts.append(f"these runs do not settle tau = {', '.join(unsettled)}")
    if onset.tau is not None:
        parts.append(f"the loss is {margin:.0%} higher from about tau = {onset.tau:.3g} on{onset.range_in_words()}")
    return f"{model}: {'; '.join(parts)}."
