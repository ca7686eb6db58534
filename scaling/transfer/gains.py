"""What training took away of the loss, and whether a part came back: of one model on one benchmark, over its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scaling.observations import FloatArray, IntArray, Observations
from scaling.regression.bootstrap import Z
from scaling.regression.intervals import normal_interval
from scaling.regression.spread import t_quantile
from scaling.transfer.results import Amount, Damage, RunGain

DAMAGE_MARGIN = 0.02
DAMAGE_SE = 2.0
DAMAGE_WINDOW = 0.2  # of the evaluations


def run_gain(observations: Observations, rows: IntArray) -> RunGain:
    """One run, from its rows in order of steps; the first of them is step 0."""
    loss = observations.loss[rows]
    best = int(np.argmin(loss))
    errors = [float(each) if math.isfinite(each) else None for each in standard_errors(observations, rows[[0, -1]])]
    return RunGain(
        trial_id=int(observations.trial_id[rows[0]]),
        seed=int(observations.seed[rows[0]]),
        num_evaluations=len(rows),
        last_step=int(observations.step[rows[-1]]),
        first_loss=float(loss[0]),
        last_loss=float(loss[-1]),
        best_loss=float(loss[best]),
        best_step=int(observations.step[rows[best]]),
        first_se=errors[0],
        last_se=errors[1],
    )


def standard_errors(observations: Observations, rows: IntArray) -> FloatArray:
    """Standard error of each score as recorded, else the binomial one of its counts; NaN for neither."""
    recorded, attempts = observations.standard_error[rows], observations.attempts[rows]
    # Add-half counts: a perfect score is not known without error.
    loss = (observations.failures[rows] + 0.5) / (attempts + 1.0)
    binomial = np.sqrt(loss * (1 - loss) / attempts)
    errors: FloatArray = np.where(np.isfinite(recorded) & (recorded > 0), recorded, binomial)
    return errors


def mean_gain(runs: Sequence[RunGain]) -> Amount:
    """Gain in loss, mean over runs."""
    one = runs[0]
    alone = None if one.first_se is None or one.last_se is None else math.hypot(one.first_se, one.last_se)
    return _amount([run.gain for run in runs], alone)


def mean_relative_gain(runs: Sequence[RunGain]) -> Amount | None:
    """Gain as a share of the loss before training, mean over runs; None where one of them had no loss to begin with."""
    gains = [run.relative_gain for run in runs]
    known = [gain for gain in gains if gain is not None]
    if len(known) < len(gains):
        return None
    one = runs[0]
    alone = None
    if one.first_se is not None and one.last_se is not None:
        # The delta method for 1 - last / first.
        alone = math.hypot(one.last_se, one.last_loss / one.first_loss * one.first_se) / one.first_loss
    return _amount(known, alone)


def damage(observations: Observations, runs: Sequence[IntArray]) -> Damage | None:
    """F10 on the mean curve of the runs, at the steps that all of them were evaluated at; None below two of these.

    Runs of one model: each is its rows in order of steps. The lowest of a hundred scores without any trend lies so far
    below the last that 2 SE raise an alarm in .38 of cases; the lowest of five windows' means does in .01 to .08.

    The interval is the wider of two: over runs, at the windows that the mean curve chose, and from the standard errors
    of the evaluations, whose problems are drawn once for all steps, so that the latter is rather too wide.
    """
    common = sorted(set.intersection(*({int(step) for step in observations.step[rows]} for rows in runs)))
    if len(common) < 2:
        return None
    aligned = np.stack([rows[np.isin(observations.step[rows], common)] for rows in runs])
    length = max(math.floor(DAMAGE_WINDOW * len(common)), 1)
    starts = np.arange(len(common) % length, len(common), length)
    starts[0] = 0  # the first window takes the remainder
    lengths = np.diff(starts, append=len(common))
    means = np.add.reduceat(observations.loss[aligned], starts, axis=1) / lengths
    low = int(np.argmin(means.mean(axis=0)))
    lowest = float(means[:, low].mean())
    if lowest <= 0:
        return None
    risen = means[:, -1] - means[:, low]
    sources = []
    if len(runs) > 1:
        sources.append((float(risen.std(ddof=1)) / math.sqrt(len(runs)), t_quantile(len(runs) - 1), "runs"))
    errors = standard_errors(observations, aligned.ravel()).reshape(aligned.shape)
    drawn = np.add.reduceat(errors**2, starts, axis=1).mean(axis=0) / lengths**2 / len(runs)
    if np.isfinite(drawn[[low, -1]]).all():
        sources.append((math.sqrt(float(drawn[low] + drawn[-1])), Z, "problems and completions drawn"))
    rise, se, interval = float(risen.mean()) / lowest, None, None
    if sources:
        error, quantile, method = max(sources, key=lambda source: source[0] * source[1])
        se = error / lowest
        interval = normal_interval(rise, quantile * se, method)
    return Damage(
        rise=rise,
        se=se,
        interval=interval,
        threshold=max(DAMAGE_MARGIN, DAMAGE_SE * (se or 0.0)),
        window=length,
        low_step=common[int(starts[low] + lengths[low]) - 1],
        end_step=common[-1],
    )


def _amount(values: Sequence[float], alone: float | None) -> Amount:
    """Mean over runs; a single one has the error `alone`, of problems and completions drawn."""
    mean = float(np.mean(values))
    if len(values) > 1:
        se = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return Amount(mean, se, normal_interval(mean, t_quantile(len(values) - 1) * se, "runs"))
    if alone is None:
        return Amount(mean, None, None)
    return Amount(mean, alone, normal_interval(mean, Z * alone, "one run: problems and completions drawn"))
