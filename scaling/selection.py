"""Which of a sweep's evaluations a fit is about, and which sizes among them a person means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real

from db.errors import SpecError
from scaling.axes import X_COLUMN, XKind
from scaling.observations import Row
from scaling.settings import FitSettings
from scaling.wording import amount_of, short

LARGEST_SIZE = 1e15  # parameters
AXES: tuple[XKind, ...] = ("flops", "paper_flops", "samples", "tokens", "steps", "gpu_hours")  # the better first

# What trials may differ in, and an analyst may want one of.
COLUMNS = (
    "trial_id", "model", "family", "variant", "num_params", "data", "algorithm", "seed", "group_size", "tau",
    "learning_rate", "prompts_per_step", "updates_per_step", "kl_coefficient", "origin", "trial_state",
)  # fmt: skip


def select(rows: Sequence[Row], settings: FitSettings) -> list[Row]:
    """The rows of the benchmark, protocol and trials asked for. SpecError for what no row has, naming what there is."""
    for column, values in settings.where:
        if column not in COLUMNS:
            raise SpecError(f"where {column}: rows cannot be chosen by it. Choose one of {', '.join(COLUMNS)}.")
        rows = _matching(rows, column, values, f"where {column}")
    for column in ("benchmark", "protocol"):
        wanted = getattr(settings, column)
        if wanted is not None:
            rows = _matching(rows, column, (wanted,), column)
    return list(rows)


def axes_had(rows: Sequence[Row]) -> list[XKind]:
    """The axes that trained rows have, the better first: those that all of them have before those that some have."""
    trained = [row for row in rows if row.get("step")]
    shares = {kind: sum(row.get(X_COLUMN[kind]) is not None for row in trained) for kind in AXES}
    had = [kind for kind in AXES if shares[kind]]
    return sorted(had, key=lambda kind: shares[kind] < len(trained))


def sizes_named(rows: Sequence[Row], names: Iterable[str]) -> tuple[int, ...]:
    """The sizes that are meant by names of models, or by sizes as they are printed. SpecError for what is neither."""
    sizes: set[int] = set()
    for name in names:
        found = _size_named(rows, name) or _nominally(rows, name)
        if found is None:
            raise _unknown(rows, name)
        sizes.add(found)
    return tuple(sorted(sizes))


def sizes_asked(rows: Sequence[Row], names: Iterable[str]) -> tuple[int, ...]:
    """The same for sizes that need not be there: 14e9, 100B."""
    sizes: set[int] = set()
    for name in names:
        found = _size_named(rows, name)
        if found is None:
            number = amount_of(name)
            if number is None:
                raise _unknown(rows, name)
            if not 1 <= number < LARGEST_SIZE:
                raise SpecError(f"size {name}: expected between 1 and {LARGEST_SIZE:g} parameters, as 14B.")
            found = round(number)
        sizes.add(found)
    return tuple(sorted(sizes))


def _size_named(rows: Sequence[Row], name: str) -> int | None:
    by_model = [row for row in rows if row["model"] == name]
    by_model = by_model or [row for row in rows if str(row["model"]).casefold() == name.casefold()]
    if by_model:
        return _the_one(by_model, name)
    number = amount_of(name)
    in_digits = not name[-1:].isalpha()  # 14000000000 or 14e9, where 14B is all that is written like it
    exact = [row for row in rows if in_digits and row["num_params"] == number]
    return _the_one(exact or [row for row in rows if _is_written(row["num_params"], number)], name)


def _nominally(rows: Sequence[Row], name: str) -> int | None:
    """The size of the model that is sold under this number of parameters."""
    return _the_one([row for row in rows if _is_written(row.get("nominal_params"), amount_of(name))], name)


def _is_written(held: object, amount: float | None) -> bool:
    return amount is not None and isinstance(held, Real) and amount_of(short(float(held))) == amount


def _the_one(rows: Sequence[Row], name: str) -> int | None:
    sizes = {int(row["num_params"]): str(row["model"]) for row in rows if row["num_params"] is not None}  # type: ignore[call-overload]
    if len(sizes) > 1:
        listed = ", ".join(f"{model} ({size:,} parameters)" for size, model in sorted(sizes.items()))
        raise SpecError(f"{name} may be any of {listed}. Give the model's name, or all digits of its size.")
    return next(iter(sizes), None)


def _unknown(rows: Sequence[Row], name: str) -> SpecError:
    sizes = {str(row["model"]): row["num_params"] for row in rows}
    known = ", ".join(
        f"{model} ({short(float(size))})" if isinstance(size, Real) else f"{model} (size not known)"
        for model, size in sorted(sizes.items())
    )
    return SpecError(f"model {name}: no evaluated model has that name or size; known: {known}.")


def _matching(rows: Sequence[Row], column: str, values: Sequence[str], said: str) -> list[Row]:
    found = {value: [row for row in rows if _is(row.get(column), value)] for value in values}
    missing = [value for value, matching in found.items() if not matching]
    if missing:
        there = sorted({_text(row.get(column)) for row in rows})
        raise SpecError(f"{said} = {', '.join(missing)}: no evaluation has that. There are: {', '.join(there)}.")
    return [row for row in rows if any(_is(row.get(column), value) for value in values)]


def _is(held: object, wanted: str) -> bool:
    """Numbers are compared as numbers, so that 5 finds 5.0, 1e-6 finds 0.000001, and 7B what is printed so."""
    if isinstance(held, (int, float)) and not isinstance(held, bool):
        try:
            return float(wanted) == float(held)
        except ValueError:
            return _is_written(held, amount_of(wanted))
    return _text(held) == wanted


def _text(held: object) -> str:
    return "NULL" if held is None else f"{held:g}" if isinstance(held, float) else str(held)
