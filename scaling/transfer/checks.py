"""What to know before gains are quoted: F10, and what the runs do not cover."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.observations import Row
from scaling.results import Check
from scaling.transfer.results import Transfer

SETTINGS = (
    "data", "algorithm", "group_size", "tau", "learning_rate", "prompts_per_step", "updates_per_step", "kl_coefficient",
)  # fmt: skip


def transfer_checks(
    transfers: Sequence[Transfer],
    rows: Sequence[Row],
    left_out: Sequence[tuple[int, str, str, str]],
    *,
    base: tuple[str, str] | None,
) -> list[Check]:
    """F10 of every model and benchmark first, then the limits of the data."""
    found = [check for each in transfers for check in _f10(each)]
    found += [_best(), *_seeds(transfers), *_mixture(transfers, rows), *_left_out(left_out)]
    if base is None:
        message = "No benchmark is in the training domain: pass its name to compare the others with it."
        found.append(Check("DOMAIN", "note", None, None, None, message))
    return found


def _f10(transfer: Transfer) -> list[Check]:
    found = transfer.damage
    if found is None:
        return []
    on = f"{transfer.model} on {transfer.benchmark} ({transfer.protocol})"
    if not found.is_found:
        message = f"{on}: the loss at the end is not above its lowest beyond noise."
        return [Check("F10", "ok", found.rise, found.threshold, transfer.num_params, message)]
    domain = "in" if transfer.in_domain else "out of"
    message = (
        f"{on}: the loss at the end is {found.rise:.1%} above its lowest, reached at step {found.low_step}: damage "
        f"{domain} domain. Stop earlier, or keep a checkpoint from there."
    )
    return [Check("F10", "warning", found.rise, found.threshold, transfer.num_params, message)]


def _best() -> Check:
    message = "The best loss of a run is the lowest of many noisy scores, so it is optimistic. Quote the last one."
    return Check("BEST", "note", None, None, None, message)


def _seeds(transfers: Sequence[Transfer]) -> list[Check]:
    single = sorted({each.model for each in transfers if len(each.runs) == 1})
    if not single:
        return []
    message = (
        f"One run of {', '.join(single)}: errors of its gains hold what was drawn of problems and completions, not how "
        "runs differ. Add seeds."
    )
    return [Check("SEEDS", "warning", 1.0, 2.0, None, message)]


def _mixture(transfers: Sequence[Transfer], rows: Sequence[Row]) -> list[Check]:
    found = []
    for size, model in sorted({(each.num_params, each.model) for each in transfers}):
        mine = [row for row in rows if str(row["model"]) == model]
        mixed = [name for name in SETTINGS if len({row.get(name) for row in mine}) > 1]
        if mixed:
            message = f"{model}: its runs differ in {', '.join(mixed)} and are averaged as repeats. Select one value."
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
            f"{benchmark} ({protocol}): trials {', '.join(map(str, trials))} are left out, {reason}.",
        )
        for (benchmark, protocol, reason), trials in sorted(groups.items())
    ]  # fmt: skip
