"""Everything that decides a fit beside its rows. Kept with the fit, and with the same rows it gives the same fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from db.errors import SpecError
from scaling.axes import X_OPTION, XKind
from scaling.laws.k_forms import K_FORMS
from scaling.laws.trajectories import TRAJECTORY_LAWS
from scaling.regression.estimators import ESTIMATORS
from scaling.wording import LARGEST, short

Scope = Literal["inter-model", "intra-model", "data-reuse", "group-size", "transfer"]
SCOPES: tuple[str, ...] = get_args(Scope)

_WINDOW = frozenset({"from_x", "to_x"})
# What each scope can be told; anything else would be ignored, and is refused.
_OPTIONS: dict[str, frozenset[str]] = {
    "inter-model": _WINDOW | {"x", "holdout", "k_form", "estimator", "draws", "equal_size_weight"},
    "intra-model": _WINDOW | {"x", "laws"},
    "data-reuse": _WINDOW | {"x", "draws", "margin"},
    "group-size": _WINDOW | {"x", "estimator", "draws"},
    "transfer": frozenset({"x", "in_domain"}),
}
# What each of these is a word of, and how it is called.
_WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "k_form": ("k(N) form", (*K_FORMS, "free")),
    "estimator": ("estimator", ("auto", *ESTIMATORS)),
    "laws": ("law of a curve", tuple(TRAJECTORY_LAWS)),
}
FEWEST_DRAWS, MOST_DRAWS = 40, 1_000_000  # an interval of 95% leaves out one draw of 40 at each end
# The axes that scopes are bound to: pairs agree in prompts, gains are between steps.
_ONLY_X: dict[str, XKind] = {"data-reuse": "samples", "transfer": "steps"}


@dataclass(frozen=True)
class FitSettings:
    """What to fit, and how. None, or nothing, leaves it to the scope. SpecError for what no rows can give sense to.

    `where`: column of `learning_curve` -> the values that rows may have, as text. `holdout`: sizes in parameters.
    `equal_size_weight`: every size counts alike, however many evaluations it has. `margin`: the relative rise of loss
    that still counts as no harm from reuse.
    """

    scope: str = "inter-model"
    x: XKind | None = None
    from_x: float | None = None
    to_x: float | None = None
    benchmark: str | None = None
    protocol: str | None = None
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    holdout: tuple[int, ...] = ()
    k_form: str | None = None
    estimator: str | None = None
    draws: int | None = None
    equal_size_weight: bool | None = None
    laws: tuple[str, ...] = ()
    margin: float | None = None
    in_domain: str | None = None

    def __post_init__(self) -> None:
        if self.scope not in _OPTIONS:
            raise SpecError(f"scope {self.scope!r} is unknown. Choose one of {', '.join(_OPTIONS)}.")
        allowed = _OPTIONS[self.scope] | {"scope", "benchmark", "protocol", "where"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in allowed and value not in (None, ()):
                raise SpecError(f"{field.name} = {value!r} means nothing to a fit of scope {self.scope}. Leave it out.")
        bound = _ONLY_X.get(self.scope)
        if bound is not None and self.x not in (None, bound):
            asked = X_OPTION.get(self.axis, self.axis)
            raise SpecError(
                f"a fit of scope {self.scope} is made over {X_OPTION[bound]}, not over {asked}. Leave x out."
            )
        self._require_words()
        self._require_numbers()

    def _require_words(self) -> None:
        for name, (called, known) in _WORDS.items():
            value = getattr(self, name)
            for word in value if isinstance(value, tuple) else filter(None, [value]):
                if word not in known:
                    raise SpecError(f"{called} {word!r} is unknown. Choose one of {', '.join(known)}.")

    def _require_numbers(self) -> None:
        if self.draws and not FEWEST_DRAWS <= self.draws <= MOST_DRAWS:
            raise SpecError(f"draws = {self.draws}: give {FEWEST_DRAWS} to {MOST_DRAWS:,}, as 1000, or 0 for none.")
        if self.margin is not None and not 0 < self.margin < 1:
            raise SpecError(f"margin = {self.margin:g}: give a share between 0 and 1, as 0.02 for a rise by 2%.")
        for name, end in (("from", self.from_x), ("to", self.to_x)):
            if end is not None and not 0 <= end < LARGEST:
                raise SpecError(f"{name} = {end:g} is no end of a window. Give an amount of x, as 1024 or 1e21.")
        if self.from_x is not None and self.to_x is not None and self.from_x >= self.to_x:
            raise SpecError(
                f"the window from {short(self.from_x)} to {short(self.to_x)} holds nothing. Let it end after it begins."
            )

    @property
    def axis(self) -> XKind:
        """The x-axis: the one asked for, else the scope's own."""
        return self.x or _ONLY_X.get(self.scope, "flops")

    @property
    def is_bound(self) -> bool:
        """Whether the scope has one axis only."""
        return self.scope in _ONLY_X

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named settings that are set, as keyword arguments."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value not in (None, ())}

    def stored(self, **resolved: Any) -> dict[str, Any]:
        """For the database: everything that is set, with what the fit made of `auto` and of defaults."""
        names = [field.name for field in fields(self) if field.name != "scope"]
        plain: dict[str, Any] = self.given(*names) | {"x": self.axis} | resolved
        if self.where:
            plain["where"] = {column: list(values) for column, values in self.where}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def restored(cls, scope: str, stored: Mapping[str, Any]) -> FitSettings:
        """From what the database has."""
        known = {field.name for field in fields(cls)} & _OPTIONS[scope] | {"benchmark", "protocol"}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in known
        }
        return replace(cls(scope=scope, **values), where=where_of((stored.get("where") or {}).items()))


def where_of(conditions: Iterable[tuple[str, Iterable[str]]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Conditions in one order, whatever order they were given in."""
    return tuple(sorted((column, tuple(sorted(set(values)))) for column, values in conditions))
