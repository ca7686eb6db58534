"""Which of a sweep's evaluations a fit is about."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.errors import FitError
from scaling.observations import Row
from scaling.settings import FitSettings

# What trials may differ in, and an analyst may want one of.
COLUMNS = (
    "trial_id", "model", "family", "variant", "num_params", "data", "algorithm", "seed", "group_size", "tau",
    "learning_rate", "prompts_per_step", "updates_per_step", "kl_coefficient", "origin", "trial_state",
)  # fmt: skip


def select(rows: Sequence[Row], settings: FitSettings) -> list[Row]:
    """The rows of the benchmark, protocol and trials asked for. FitError for what no row has, naming what there is."""
    for column, values in settings.where:
        if column not in COLUMNS:
            raise FitError(f"where {column}: rows cannot be chosen by it. Choose one of {', '.join(COLUMNS)}.")
        rows = _matching(rows, column, values, f"where {column}")
    for column in ("benchmark", "protocol"):
        wanted = getattr(settings, column)
        if wanted is not None:
            rows = _matching(rows, column, (wanted,), column)
    return list(rows)


def _matching(rows: Sequence[Row], column: str, values: Sequence[str], said: str) -> list[Row]:
    found = {value: [row for row in rows if _is(row.get(column), value)] for value in values}
    missing = [value for value, matching in found.items() if not matching]
    if missing:
        there = sorted({_text(row.get(column)) for row in rows})
        raise FitError(f"{said} = {', '.join(missing)}: no evaluation has that. There are: {', '.join(there)}.")
    return [row for row in rows if any(_is(row.get(column), value) for value in values)]


def _is(held: object, wanted: str) -> bool:
    """Numbers are compared as numbers, so that 5 finds 5.0, and 1e-6 finds 0.000001."""
    if isinstance(held, (int, float)) and not isinstance(held, bool):
        try:
            return float(wanted) == float(held)
        except ValueError:
            return False
    return _text(held) == wanted


def _text(held: object) -> str:
    return "NULL" if held is None else f"{held:g}" if isinstance(held, float) else str(held)
