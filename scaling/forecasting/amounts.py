"""Which axes are budgets, and how amounts of them are written where a person reads them."""

from scaling.axes import X_UNIT
from scaling.wording import short


def amount(x: float | None, none: str = "") -> str:
    """A budget as people say it; `none` for None."""
    return none if x is None else short(x)


def unit_of(x_kind: str) -> str:
    """What an axis counts."""
    return X_UNIT[x_kind]


def span(low: float | None, high: float | None) -> str:
    """The 95% interval of a budget, in brackets."""
    return f" (95% interval from {amount(low, 'no lower end')} to {amount(high, 'no upper end')})"
