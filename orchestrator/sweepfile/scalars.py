"""What a plain scalar of a sweep file is: a number, true, false, nothing or text; and what none may be."""

from __future__ import annotations

import re
from typing import Any

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
# `1e-6` is a number here, as in YAML 1.2; a YAML 1.1 reader takes it for text, which nobody who writes it means.
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$")
_CONSTANTS = {
    "~": None, "": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_MOST_DIGITS = 30  # of a whole number; whatever is reckoned with one then stays a finite number
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what double quotes can write, and no file or database can hold


def plain_value(text: str) -> Any:
    """What it is."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text):
        return int(text)
    # -0.0 would be a trial of its own beside 0.0.
    return float(text) + 0.0 if _FLOAT.match(text) else text


def too_long(text: str) -> str | None:
    """Why a whole number of this many digits is refused; None if it is not, or is none."""
    num_digits = len(text.lstrip("+-"))
    if num_digits <= _MOST_DIGITS or not _INT.match(text):
        return None
    return f"is a number of {num_digits} digits, and no whole number here may have more than {_MOST_DIGITS}"


def no_text(text: str) -> str | None:
    """Why a quoted text is refused; None if it is not."""
    found = _NO_TEXT.search(text)
    return f"holds the character U+{ord(found[0]):04X}, which text may not have" if found else None
