"""What to know before gains are quoted: F10, and what the runs do not cover."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from scaling.observations import CONFIGURATION, Row
from scaling.results import Check
from scaling.transfer.results import Transfer

SETTINGS = tuple(name for name in CONFIGURATION if name != "model")
END_TOLERANCE = 0.05
NAMED = 6  # runs; the others are counted


def transfer_checks(
    transfers: Sequence[Transfer],
    compared: Sequence[Transfer],
    rows: Sequence[Row],
    left_out: Sequence[tuple[int, str, str, str]],
    *,
    base: tuple[str, str] | None,
) -> list[Check]:
    """F10 of every model and benchmark first, then the limits of the data. `compared`: as far as all runs go."""
    found = [check for each in transfers for check in _f10(each)]
    found += [*_ends(transfers, compared), _best(), *_seeds(transfers), *_mixture(transfers, rows)]
    found += _left_out(left_out)
    if base is None:
        message = "No benchmark is in the training domain: pass its name to compare the others with it."
        found.append(Check("DOMAIN", "note", None, None, None, message))
    return found


def _f10(transfer: Transfer) -> list[Check]:
    found = transfer.damage
    if found is None:
        return []
    on = f"{transfer.model} on {transfer.benchmark} ({transfer.protocol})"
    if found.rise <= found.threshold:
        message = f"{on}: the loss at the end is not above its lowest beyond noise."
        return [Check("F10", "ok", found.rise, found.threshold, transfer.num_params, message)]
    risen = f"{on}: the loss at the end is {found.rise:.1%} above its lowest, at step {found.low_step}"
    if found.interval is None:
        message = f"{risen}; nothing tells whether that is noise. Add seeds, or import counts."
        return [Check("F10", "note", found.rise, found.threshold, transfer.num_params, message)]
    between = f"{found.interval.low:.1%} to {found.interval.high:.1%}"
    if not found.is_found:
        message = f"{risen}, with a 95% interval of {between}: no damage is shown. Add seeds."
        return [Check("F10", "note", found.rise, found.threshold, transfer.num_params, message)]
    domain = "in" if transfer.in_domain else "out of"
    message = f"{risen} (95% interval {between}): damage {domain} domain. Stop earlier, or keep a checkpoint of then."
    return [Check("F10", "warning", found.rise, found.threshold, transfer.num_params, message)]


def _ends(transfers: Sequence[Transfer], compared: Sequence[Transfer]) -> list[Check]:
    """Runs of one benchmark that end at different steps: their gains are of different lengths of training."""
    common = {(each.benchmark, each.protocol): each.runs[0].last_step for each in compared}
    benchmarks: dict[tuple[tuple[tuple[int, int], ...], int, int], list[str]] = {}
    for scored, group in itertools.groupby(transfers, key=lambda each: (each.benchmark, each.protocol)):
        ends = {run.trial_id: run.last_step for each in group for run in each.runs}
        longest = max(ends.values())
        early = tuple(sorted((trial, end) for trial, end in ends.items() if end < (1 - END_TOLERANCE) * longest))
        if early:
            benchmarks.setdefault((early, longest, common.get(scored, 0)), []).append(scored[0])
    found = []
    for (early, longest, step), names in benchmarks.items():
        named = ", ".join(f"{trial} (step {end})" for trial, end in early[:NAMED])
        more = f" and {len(early) - NAMED} more" if len(early) > NAMED else ""
        across = f"sizes are compared at step {step}" if step else "there is no step to compare sizes at"
        message = (
            f"{', '.join(dict.fromkeys(names))}: gains are of different lengths of training, as trials {named}{more} "
            f"end before step {longest}; {across}. Finish these runs."
        )
        found.append(Check("ENDS", "warning", float(step), float(longest), None, message))
    return found


def _best() -> Check:
    message = "The best loss of a run is the lowest of many noisy scores, so it is optimistic. Quote the last one."
    return Check("BEST", "note", None, None, None, message)


def _seeds(transfers: Sequence[Transfer]) -> list[Check]:
    models = {
        count: ", ".join(sorted({each.model for each in transfers if len(each.runs) == count})) for count in (1, 2)
    }
    found = []
    if models[1]:
        message = (
            f"One run of {models[1]}: intervals of its gains hold what was drawn of problems and completions, not how "
            "runs differ. Add seeds."
        )
        found.append(Check("SEEDS", "warning", 1.0, 2.0, None, message))
    if models[2]:
        message = f"Two runs of {models[2]}: intervals rest on a single difference, so they are wide. Add a third seed."
        found.append(Check("SEEDS", "note", 2.0, 3.0, None, message))
    return found


def _mixture(transfers: Sequence[Transfer], rows: Sequence[Row]) -> list[Check]:
    found = []
    for size, model in sorted({(each.num_params, each.model) for each in transfers}):
        mine = [row for row in rows if str(row["model"]) == model]
        mixed = [name for name in SETTINGS if len({row.get(name) for row in mine}) > 1]
        if mixed:
            message = (
                f"{model}: its runs differ in {', '.join(mixed)} and are averaged as repeats. Select one value "
                f"(--where {mixed[0]}=...)."
            )
            found.append(Check("F15", "warning", float(len(mixed)), 0.0, size, message))
    return found


def _left_out(left_out: Sequence[tuple[int, str, str, str]]) -> list[Check]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for trial, *where in left_out:
        benchmark, protocol, reason = where
        groups.setdefault((benchmark, protocol, reason), []).append(trial)
    return [
        Check(
            "LEFT_OUT", "warning", float(len(trials)), 0.0, None,
            f"{benchmark} ({protocol}): left out as {reason}: trial{'s' if len(trials) > 1 else ''} "
            f"{', '.join(map(str, trials))}.",
        )
        for (benchmark, protocol, reason), trials in sorted(groups.items())
    ]  # fmt: skip
