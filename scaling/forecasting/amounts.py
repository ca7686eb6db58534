"""Which axes are budgets, and how amounts of them are written where a person reads them."""

from scaling.observations import X_UNIT
from scaling.wording import short

BUDGETS = ("flops", "paper_flops", "gpu_hours")  # axes on which sizes cost differently


def amount(x: float | None, none: str = "") -> str:
    """A budget as people say it, or as a power of ten where there is no word for it; `none` for None."""
    if x is None:
        return none
    return short(x) if 1 <= x < 1e15 else f"{x:.3g}"


def unit_of(x_kind: str) -> str:
    """What an axis counts."""
    return X_UNIT[x_kind]


def span(low: float | None, high: float | None) -> str:
    """The 95% interval of a budget, in brackets."""
    return f" (95% interval from {amount(low, 'no lower end')} to {amount(high, 'no upper end')})"
