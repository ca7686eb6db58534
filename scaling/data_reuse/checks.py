"""What to know before a data-reuse fit is quoted: F09, and what its pairs do not cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from scaling.data_reuse.pairs import SETTINGS, Pair, Pairing
from scaling.data_reuse.results import ReuseOfModel, TauEffect
from scaling.regression.spread import MIN_EVALUATIONS
from scaling.results import Check, Severity
from scaling.wording import short

EXPECTED_SAFE_TAU = 10.0  # harm below this is a failure signature of a study
END_TOLERANCE = 0.05


def reuse_checks(models: Sequence[ReuseOfModel], pairing: Pairing) -> list[Check]:
    """F09 of every model first, then the limits of the data."""
    found = [_f09(model) for model in models]
    for model in models:
        mine = [pair for pair in pairing.pairs if pair.model == model.model]
        found += [_seeds(model), *_short(model, mine), *_ends(model), *_zeros(model, mine), *_mixture(model, mine)]
    return found + _twins(pairing)


def _f09(model: ReuseOfModel) -> Check:
    harmful = [effect for effect in model.effects if effect.verdict == "harmful"]
    if harmful:
        first = harmful[0]
        message = f"the smallest tau that hurts is {first.tau:g} ({first.in_words()})."
        if first.tau >= EXPECTED_SAFE_TAU:
            return _check(model, "F09", "note", value=first.tau, threshold=EXPECTED_SAFE_TAU, said=message)
        message += (
            f" Harm below tau = {EXPECTED_SAFE_TAU:g} is unusual: compare what the slices hold before quoting it."
        )
        return _check(model, "F09", "warning", value=first.tau, threshold=EXPECTED_SAFE_TAU, said=message)
    unsettled = [effect for effect in model.effects if effect.verdict == "not_settled"]
    if unsettled:
        message = (
            f"harm is neither shown nor ruled out at tau = {_taus(unsettled)}. Add seeds, or problems to the benchmark."
        )
        if rising := [effect for effect in unsettled if effect.is_rising]:
            message += f" At tau = {_taus(rising)} fresh prompts are catching up to reuse: train longer to see the end."
        return _check(model, "F09", "note", value=unsettled[0].tau, threshold=EXPECTED_SAFE_TAU, said=message)
    largest = model.effects[-1].tau
    return _check(
        model, "F09", "ok", value=largest, threshold=EXPECTED_SAFE_TAU, said=f"no harm at any tau up to {largest:g}."
    )


def _taus(effects: Iterable[TauEffect]) -> str:
    return ", ".join(f"{effect.tau:g}" for effect in effects)


def _seeds(model: ReuseOfModel) -> Check:
    fewest = min(effect.num_pairs for effect in model.effects)
    if fewest == 1:
        message = "one pair of runs at some tau: how runs differ is not known there, so its interval is too narrow."
        return _check(model, "SEEDS", "warning", value=1.0, threshold=2.0, said=f"{message} Add seeds.")
    if fewest == 2:
        message = "two pairs at some tau, whose variance is pooled over all taus. A third seed would help."
        return _check(model, "SEEDS", "note", value=2.0, threshold=3.0, said=message)
    return _check(
        model, "SEEDS", "ok", value=float(fewest), threshold=3.0, said=f"at least {fewest} pairs at every tau."
    )


def _short(model: ReuseOfModel, pairs: Sequence[Pair]) -> list[Check]:
    fewest = min(len(pair) for pair in pairs)
    if fewest >= MIN_EVALUATIONS:
        return []
    message = (
        f"pairs with fewer than {MIN_EVALUATIONS} evaluations at equal prompts (least: {fewest}) give no interval of "
        "their own. Evaluate more often."
    )
    return [_check(model, "SHORT", "note", value=float(fewest), threshold=float(MIN_EVALUATIONS), said=message)]


def _ends(model: ReuseOfModel) -> list[Check]:
    ends = [pair.x[-1] for pair in model.pairs]
    if min(ends) >= (1 - END_TOLERANCE) * max(ends):
        return []
    message = (
        f"pairs end between {short(min(ends))} and {short(max(ends))} prompts, so taus are compared at different "
        "lengths. Finish the shorter runs, or bound the prompts."
    )
    return [_check(model, "ENDS", "warning", value=float(min(ends)), threshold=float(max(ends)), said=message)]


def _zeros(model: ReuseOfModel, pairs: Sequence[Pair]) -> list[Check]:
    zeros = sum(pair.has_zeros for pair in pairs)
    if not zeros:
        return []
    message = (
        f"{zeros} of {len(pairs)} pairs have evaluations without a wrong answer: losses there are (c + 1/2) / (n + 1), "
        "or left out where no counts are kept. Score a harder benchmark."
    )
    return [_check(model, "ZEROS", "note", value=float(zeros), threshold=0.0, said=message)]


def _mixture(model: ReuseOfModel, pairs: Sequence[Pair]) -> list[Check]:
    values = zip(SETTINGS, zip(*(pair.settings for pair in pairs), strict=True), strict=True)
    mixed = [name for name, found in values if name != "seed" and len(set(found)) > 1]
    if not mixed:
        return []
    message = (
        f"pairs differ among each other in {', '.join(mixed)} and are averaged as repeats. Select one value "
        f"(--where {mixed[0]}=...)."
    )
    return [_check(model, "F15", "warning", value=float(len(mixed)), threshold=0.0, said=message)]


def _check(model: ReuseOfModel, code: str, severity: Severity, *, value: float, threshold: float, said: str) -> Check:
    return Check(code, severity, value, threshold, model.num_params, f"{model.model}: {said}")


def _twins(pairing: Pairing) -> list[Check]:
    reasons = Counter(reason for _, reason in pairing.left_out)
    return [
        Check("TWINS", "warning", float(count), 0.0, None, _left_out(reason, pairing.left_out))
        for reason, count in sorted(reasons.items())
    ]


def _left_out(reason: str, left_out: Iterable[tuple[int, str]]) -> str:
    trials = [str(trial) for trial, own in left_out if own == reason]
    named = f"Trials {', '.join(trials)} are" if len(trials) > 1 else f"Trial {trials[0]} is"
    return f"{named} left out: {reason}."
