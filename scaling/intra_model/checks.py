"""Signs that the beginning of a run should not be trusted with its end, and what the prefixes say in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scaling.intra_model.results import Coverage, PrefixForecast, RunTrajectories
from scaling.observations import Observations
from scaling.results import Check
from scaling.run_conditions import check_curriculum, check_truncation
from scaling.wording import short

SHARES = (0.25, 0.40, 0.50)  # of a run, at which F04 looks
NEAREST = 0.06  # how far from these a cut may be
TOLERANCE = 0.05
FAR = 1.0  # log-ranges: F14
COVERED = 0.85  # share of ends that 95% intervals must hold; runs are few, and their prefixes share their noise
NEEDS_START = "sigmoid"


@dataclass(frozen=True)
class _Miss:
    run: RunTrajectories
    forecast: PrefixForecast
    error: float


def intra_checks(
    observations: Observations, runs: Sequence[RunTrajectories], coverage: Sequence[Coverage]
) -> tuple[Check, ...]:
    """Every check, failure signatures first."""
    had = [each.law for each in coverage if any(each.law in _laws_of(run) for run in runs)]
    return (
        *(_f04(runs, law) for law in had),
        *(_coverage(each) for each in coverage if each.law in had),
        check_truncation(observations),
        _f14(runs),
        *_start(observations, runs, [each.law for each in coverage]),
        check_curriculum(),
    )


def summarise(runs: Sequence[RunTrajectories], coverage: Sequence[Coverage]) -> tuple[str, ...]:
    """Sentences to quote: which law describes the runs, and how well each tells their ends."""
    best = Counter(run.laws[0].fit.law for run in runs if run.laws and run.laws[0].aicc is not None)
    sentences = []
    if best:
        said = ", ".join(f"{law} {count}" for law, count in best.most_common())
        sentences.append(f"Best by AICc in {len(runs)} run{'s' if len(runs) > 1 else ''}: {said}.")
    for law, held in ((each.law, each) for each in coverage):
        parts = []
        for share in (SHARES[0], SHARES[-1]):
            errors = [miss.error for run in runs for miss in _at(run, law, (share,))]
            if errors:
                worst = max(errors, key=abs)
                parts.append(f"from {share:.0%} of a run by {median(map(abs, errors)):.1%} (worst {worst:+.1%})")
        if parts:
            told = f"; its intervals hold {held.held} of {held.made} ends" if held.made else ""
            sentences.append(f"{law} misses the end {' and '.join(parts)}, the median over runs{told}.")
    return tuple(sentences)


def _laws_of(run: RunTrajectories) -> set[str]:
    return {each.fit.law for each in run.laws}


def _coverage(coverage: Coverage) -> Check:
    """Whether intervals from prefixes can be quoted: they know noise, and not that a law may be wrong."""
    share = coverage.share
    if share is None:
        message = f"{coverage.law}: no forecast has an interval. Evaluate more often."
        return Check("COVERAGE", "note", None, COVERED, None, message)
    held = f"{coverage.law}: 95% intervals hold {coverage.held} of {coverage.made} ends"
    if share >= COVERED:
        return Check("COVERAGE", "ok", share, COVERED, None, f"{held}.")
    message = f"{held}: they know how noisy the run is, not that the law may be wrong. Do not quote them."
    return Check("COVERAGE", "warning", share, COVERED, None, message)


def _start(observations: Observations, runs: Sequence[RunTrajectories], laws: Sequence[str]) -> list[Check]:
    """Laws that need the score before training, where nobody took it."""
    scored = set(observations.trial_id[observations.where("baseline")].tolist())
    missing = [run for run in runs if run.trial_id not in scored]
    if NEEDS_START not in laws or not missing:
        return []
    of_all = "" if len(missing) < len(runs) else " all"
    message = (
        f"{NEEDS_START} needs the score before training, which{of_all} {len(missing)} runs lack, and is left out "
        "there. Evaluate at step 0."
    )
    return [Check("START", "note", float(len(missing)), 0.0, None, message)]


def _at(run: RunTrajectories, law: str, shares: Sequence[float]) -> list[_Miss]:
    """The forecasts at the cuts nearest to these shares, in their order."""
    mine = [each for each in run.forecasts if each.law == law and each.relative_error is not None]
    found = []
    for share in shares:
        nearest = min(mine, key=lambda each: abs(each.share - share), default=None)
        if nearest is not None and abs(nearest.share - share) <= NEAREST and nearest.relative_error is not None:
            found.append(_Miss(run, nearest, nearest.relative_error))
    return found


def _f04(runs: Sequence[RunTrajectories], law: str) -> Check:
    """Forecasts from 25, 40 and 50% of a run: more than 5% off, or first too high and then too low.

    A change of sign counts where both errors exceed twice the standard error of the end: about the truth, signs change
    by chance.
    """
    misses = {run.trial_id: _at(run, law, SHARES) for run in runs}
    made = [miss for of_run in misses.values() for miss in of_run]
    if not made:
        message = f"{law}: no forecast from 25 to 50% of a run. Evaluate more often to judge it."
        return Check("F04", "note", None, TOLERANCE, None, message)
    worst = max(made, key=lambda miss: abs(miss.error))
    size = worst.run.num_params
    off = [miss for miss in made if abs(miss.error) > TOLERANCE]
    flipped = [of_run[0].run for of_run in misses.values() if _flips(of_run)]
    if not off and not flipped:
        message = f"{law} tells the end of every run within {TOLERANCE:.0%} from 25, 40 and 50% of it."
        return Check("F04", "ok", worst.error, TOLERANCE, size, message)
    parts = []
    if off:
        many = len({miss.run.trial_id for miss in off})
        parts.append(
            f"is up to {worst.error:+.1%} off about the end of a run (from {worst.forecast.share:.0%} of it, at "
            f"{short(size)}; {many} of {len(misses)} runs beyond {TOLERANCE:.0%})"
        )
    if flipped:
        names = ", ".join(sorted({short(run.num_params) for run in flipped}))
        parts.append(f"changes from too high to too low or back between 25 and 50% ({names}), so one cut can be lucky")
    message = f"{law} {' and '.join(parts)}. Do not stop or extend runs on its word."
    return Check("F04", "warning", worst.error, TOLERANCE, size, message)


def _flips(misses: Sequence[_Miss]) -> bool:
    if not misses:
        return False
    noise = _noise_of_end(misses[0].run)
    sure = [miss.error for miss in misses if abs(miss.error) * miss.forecast.actual > 2 * noise]
    return bool(sure) and min(sure) < 0 < max(sure)


def _noise_of_end(run: RunTrajectories) -> float:
    """Standard error of the end as the law that follows the run best sees it: misfit is no noise."""
    laws = {each.law for each in run.forecasts}
    seen = [[each.actual_se or 0.0 for each in run.forecasts if each.law == law] for law in sorted(laws)]
    return min(map(median, seen))


def _f14(runs: Sequence[RunTrajectories]) -> Check:
    """Prefixes further from the end, in ln x, than they are long."""
    made = [each for run in runs for each in run.forecasts]
    far = [each for each in made if each.x_outside > FAR]
    farthest = max((each.x_outside for each in made), default=None)
    if not far:
        message = "No prefix is further from the end of its run than its own log-range."
        return Check("F14", "ok", farthest, FAR, None, message)
    message = (
        f"Prefixes up to {max(each.share for each in far):.0%} of a run lie more than their own log-range from its end "
        "(ln x): their intervals do not cover a law that changes. Judge a law by the longer prefixes."
    )
    return Check("F14", "note", farthest, FAR, None, message)
