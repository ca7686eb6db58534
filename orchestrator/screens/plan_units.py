"""Quantities of a plan in units that people read: FLOPs, hours, bytes, with three digits that count."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.planning.hours import Interval

_FLOPS = ((1e24, "YFLOP"), (1e21, "ZFLOP"), (1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"))
_BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"))


def flops(number: float) -> str:
    """`1.23 EFLOP`."""
    return _with_unit(number, _FLOPS)


def size(number: float) -> str:
    """`91.4 GB`, in decimal units."""
    return _with_unit(number, _BYTES)


def hours(number: float) -> str:
    """`18 h`; below two hours `75 min`, below two minutes `40 s`; from two days on `3.2 days`."""
    in_one_hour, unit = _unit_of_time(number)
    if unit == "s" and 0 < number * in_one_hour < 1:
        return "less than 1 s"
    return f"{_in_unit(number, in_one_hour)} {unit}"


def _unit_of_time(number: float) -> tuple[float, str]:
    """The unit that so many hours are told in, and how many of it are an hour."""
    if number >= 48:
        return 1 / 24, "days"
    if number >= 2:
        return 1.0, "h"
    return (60.0, "min") if number * 60 >= 2 else (3600.0, "s")


def _in_unit(number: float, in_one_hour: float) -> str:
    return digits(number * in_one_hour) if in_one_hour <= 1 else f"{number * in_one_hour:.0f}"


def digits(number: float) -> str:
    """Three digits that count: `1,230`, `12.3`, `0.012`; with an exponent where nobody could read them."""
    if number == 0:
        return "0"
    if number >= 1e15:
        return f"{number:.3g}"
    if number >= 99.95:
        return f"{float(f'{number:.3g}'):,.0f}"
    return f"{number:.3g}" if number >= 1e-4 else f"{number:.0e}"


def interval(of: Interval) -> str:
    """`72 (36 to 144)`; one number where there is no doubt."""
    return _interval(of, " to ")


def short_interval(of: Interval) -> str:
    """`72 (36–144)`."""
    return _interval(of, "–")


def hours_interval(of: Interval) -> str:
    """`18 h (9 to 36)`: all of it in the unit of the middle."""
    in_one_hour, _ = _unit_of_time(of.central)
    low, high = (_in_unit(end, in_one_hour) for end in (of.low, of.high))
    return hours(of.central) if low == high else f"{hours(of.central)} ({low} to {high})"


def _interval(of: Interval, to: str) -> str:
    low, central, high = digits(of.low), digits(of.central), digits(of.high)
    return central if low == high else f"{central} ({low}{to}{high})"


def _with_unit(number: float, units: Sequence[tuple[float, str]]) -> str:
    for unit, name in units:
        if number >= 0.9995 * unit:
            return f"{digits(number / unit)} {name}"
    unit, name = units[-1]
    return f"{digits(number / unit)} {name}"
