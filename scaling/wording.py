"""How sizes and amounts are written wherever a person reads them, and read where a person types them."""

import re

LARGEST = 1e30  # no amount of anything that is trained with gets there
_UNITS = (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3))
_SCALES = {"": 1.0, "g": 1e9, **{unit.lower(): scale for unit, scale in _UNITS}}
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_AMOUNT = re.compile(rf"({_DIGITS})(?:(e[+-]?\d+)|\s*([kmbgt]?))", re.IGNORECASE)


def short(amount: float) -> str:
    """A number of parameters, prompts or FLOPs as people say it: 26.7K, 1.59M, 7B; 1e21 where there is no word."""
    if amount < 0.9995e15:
        for unit, scale in _UNITS:
            if amount >= 0.9995 * scale:
                return f"{amount / scale:.3g}{unit}"
    return f"{amount:.3g}".replace("e+", "e")


def amount_of(text: str) -> float | None:
    """What was meant by 40K, 7b, 1.5G, 1e21 or 10,240: all that `short` writes. None for what is no amount.

    Nothing, less than nothing, and what no experiment has (1e30 and more) are no amounts.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    digits, exponent, unit = found.groups()
    amount = float(digits.replace(",", "") + (exponent or "")) * _SCALES[(unit or "").lower()]
    return amount if 0 < amount < LARGEST else None
