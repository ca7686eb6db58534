"""Scaling laws from a DataFrame of evaluations: what `rlsweep fit`, `predict` and `frontier` do, without a database.

curve = results.learning_curve(sweep="compute", benchmark="gsm8k")
law = rlsweep.fit(curve, x="compute", holdout=["Qwen2.5-72B"])
rlsweep.frame(law.forecasts)

Everything is computed from the rows that are passed, so filter them as you like. Results are frozen dataclasses whose
docstrings say what each number is; the formulas and their sources are in `scaling.laws`. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from db.errors import SpecError

if TYPE_CHECKING:
    from pandas import DataFrame

    from scaling.forecasting.results import Budget, Frontier, Predictions
    from scaling.intra_model.results import LossDecomposition
    from scaling.observations import Observations, Row
    from scaling.scopes import AnyFit
    from scaling.settings import FitSettings

# Rows of the view `learning_curve`: a DataFrame of `rlsweep.open(...).learning_curve(...)`, or mappings.
Curve: TypeAlias = "DataFrame | Sequence[Mapping[str, Any]]"
# Columns without which nothing can be told of a row; the others may be missing where they are not known.
NEEDED = (
    "evaluation_id", "trial_id", "model", "num_params", "seed", "step", "benchmark", "protocol", "score",
)  # fmt: skip
WINDOW = frozenset({"from_x", "to_x"})
SELECTING = frozenset({"benchmark", "protocol"})
FORECASTING = SELECTING | {"k_form", "estimator", "holdout", "draws"}


def fit(
    curve: Curve,
    *,
    scope: str = "inter-model",
    x: str | None = None,
    from_x: float | None = None,
    to_x: float | None = None,
    holdout: Sequence[str] | str = (),
    **options: Any,
) -> AnyFit:
    """Fit evaluations of one benchmark and protocol, in the way of a scope.

    `x`: compute, paper-compute, data, tokens, steps or gpu-hours. `from_x` and `to_x` bound the window. `holdout`:
    models that the estimation must not see. `options`: k_form, estimator, draws, laws, margin, in_domain, where the
    scope has a use for them. Raises `rlsweep.Error`, with what to do, where the rows bear no such fit.
    """
    from scaling.scopes import fit_rows

    rows = _rows(curve)
    return fit_rows(rows, _settings(rows, scope, x, from_x=from_x, to_x=to_x, holdout=holdout, **options)).fit


def predict(
    curve: Curve,
    *,
    sizes: Sequence[float | str] | float | str = (),
    at: float | Sequence[float] | None = None,
    x: str | None = None,
    from_x: float | None = None,
    to_x: float | None = None,
    holdout: Sequence[str] | str = (),
    **options: Any,
) -> Predictions:
    """The test loss of sizes, seen or not, at budgets `at`; the largest seen if left out.

    `sizes`: models among the rows by name, and numbers of parameters without embeddings; all models if left out.
    `options`: k_form, estimator, draws.
    """
    from scaling.forecasting.predict import predict as made

    observations, settings, rows = _observed(curve, x, from_x=from_x, to_x=to_x, holdout=holdout, **options)
    law = settings.given("k_form", "estimator", "holdout", "draws")
    return made(observations, sizes=_sizes(sizes, rows) or None, x=at, **law)


def budget_for(
    curve: Curve,
    *,
    loss: float,
    size: float | str,
    x: str | None = None,
    holdout: Sequence[str] | str = (),
    **options: Any,
) -> Budget:
    """The budget at which a size reaches a test loss, with its interval. `options` as for `predict`."""
    from scaling.forecasting.predict import budget_for as made

    observations, settings, rows = _observed(curve, x, holdout=holdout, **options)
    law = settings.given("k_form", "estimator", "holdout", "draws")
    (wanted,) = _sizes([size], rows)
    return made(observations, loss=loss, size=wanted, **law)


def frontier(
    curve: Curve,
    *,
    also: Sequence[float | str] = (),
    until: float | None = None,
    x: str | None = None,
    from_x: float | None = None,
    to_x: float | None = None,
    **options: Any,
) -> Frontier:
    """The best size at every budget, up to `until`. `also`: sizes that were not trained. `options` as for `predict`."""
    from scaling.forecasting.frontier import frontier as made

    observations, settings, rows = _observed(curve, x, from_x=from_x, to_x=to_x, **options)
    law = settings.given("k_form", "estimator", "draws")
    return made(observations, to_x=until, sizes=_sizes(also, rows) or None, **law)


def decompose(
    curve: Curve, *, x: str | None = None, from_x: float | None = None, to_x: float | None = None, **options: Any
) -> LossDecomposition:
    """The losses of five sizes or more taken apart: what no training removes, what training can, where half is gone.

    L(N, X) = L_inf(N) + lambda(N) / (1 + (X / X_0(N))^beta) with one beta for all sizes. Research: the form is a
    reading of arXiv 2509.25300 that nothing has established. `options`: benchmark, protocol.
    """
    from scaling.intra_model.decomposition import decompose_loss

    observations, _, _ = _observed(curve, x, known=SELECTING, from_x=from_x, to_x=to_x, **options)
    return decompose_loss(observations)


def frame(parts: Sequence[Any]) -> DataFrame:
    """Parts of a result, as `law.sizes`, `law.forecasts` or `law.checks`, as a DataFrame of one row each.

    An interval becomes two columns, `..._low` and `..._high`; properties such as `relative_error` are columns too.
    """
    from pandas import DataFrame

    return DataFrame([_flat(part) for part in parts])


def _flat(part: Any) -> dict[str, Any]:
    if not is_dataclass(part) or isinstance(part, type):
        raise SpecError(f"rlsweep.frame takes parts of a result, such as fit.sizes; it was given {part!r}.")
    properties = [name for name, value in vars(type(part)).items() if isinstance(value, property)]
    row: dict[str, Any] = {}
    for name, value in {**asdict(part), **{name: getattr(part, name) for name in properties}}.items():
        if isinstance(value, dict) and {"low", "high"} <= value.keys():
            row[f"{name}_low"], row[f"{name}_high"] = value["low"], value["high"]
        elif not isinstance(value, (bytes, dict)):
            row[name] = value
    return row


def _observed(
    curve: Curve, x: str | None, *, known: frozenset[str] = FORECASTING, **options: Any
) -> tuple[Observations, FitSettings, list[Row]]:
    """`known`: the options that this has a use for; another one would be ignored, and is refused."""
    from scaling.scopes import observations_of
    from scaling.selection import select

    rows = _rows(curve)
    _refuse_unknown(options, known | WINDOW)
    settings = _settings(rows, "inter-model", x, **options)
    chosen = select(rows, settings)
    return observations_of(chosen, settings), settings, chosen


def _refuse_unknown(options: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(options.keys() - known)
    if unknown:
        raise SpecError(f"{unknown[0]} is no option of this. There are: {', '.join(sorted(known))}.")


def _settings(
    rows: Sequence[Row], scope: str, x: str | None, *, holdout: Sequence[str] | str = (), **options: Any
) -> FitSettings:
    from scaling.axes import X_OPTION
    from scaling.selection import sizes_named
    from scaling.settings import FitSettings

    kinds: dict[str, Any] = {name: kind for kind, name in X_OPTION.items()}
    if x is not None and x not in kinds:
        raise SpecError(f"x = {x!r}: expected one of {', '.join(kinds)}.")
    _refuse_unknown(options, frozenset(FitSettings.__dataclass_fields__) - {"scope", "x", "holdout", "where"})
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    held_out = sizes_named(rows, _names(holdout)) if holdout else ()
    return FitSettings(scope=scope, x=None if x is None else kinds[x], holdout=held_out, **plain)


def _names(names: Sequence[str] | str) -> Sequence[str]:
    """A single name is one name, not its letters."""
    return [names] if isinstance(names, str) else names


def _sizes(named: Sequence[float | str] | float | str, rows: Sequence[Row]) -> list[int]:
    """Numbers of parameters as they are, names and written amounts as `rlsweep predict --size` takes them."""
    from scaling.selection import sizes_asked

    several = [named] if isinstance(named, (str, int, float)) else list(named)
    return list(sizes_asked(rows, [each if isinstance(each, str) else f"{each:.15g}" for each in several]))


def _rows(curve: Curve) -> list[Row]:
    """Mappings in which a missing value is None."""
    import pandas as pd

    rows: list[Row]
    if isinstance(curve, pd.DataFrame):
        plain = curve.astype(object).where(curve.notna(), None)
        rows = [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
    else:
        rows = [dict(row) for row in curve]
    missing = [name for name in NEEDED if any(name not in row for row in rows)]
    if missing:
        raise SpecError(
            f"these rows have no column {', '.join(missing)}. Take rows of the view learning_curve, as "
            "`rlsweep.open(...).learning_curve(...)` gives them, with all of its columns."
        )
    return rows
