"""Exact arithmetic on an expression that is parsed, never evaluated: numbers, `+ - * / // % **` and parentheses.

Numbers are fractions, so 0.1 + 0.2 is 0.3 and a third is a third. What would take long to reckon or to read is
refused before it is reckoned: long expressions, and numbers above `MOST_BITS`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from fractions import Fraction

from workers.environments import CallFailed

LONGEST_EXPRESSION = 400  # characters
MOST_BITS = 1024  # of a numerator or denominator: 308 digits
_PLACES = 24  # of a decimal that ends; others are fractions
_TOO_LARGE = f"a number is larger than 2**{MOST_BITS}"

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_SIGNS: dict[type[ast.unaryop], Callable[[Fraction], Fraction]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def calculator(expression: str) -> str:
    """
    Compute an arithmetic expression exactly.

    Args:
        expression: Numbers with + - * / // % ** and parentheses, such as "(17 + 4) * 3 / 8".

    Returns:
        The value: a whole number, a decimal, or a fraction with its approximate value.
    """
    if not isinstance(expression, str):
        raise CallFailed("expression must be text")
    if len(expression) > LONGEST_EXPRESSION:
        raise CallFailed(f"the expression has more than {LONGEST_EXPRESSION} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise CallFailed(f"{expression!r} is no arithmetic expression") from None
    try:
        return _written(_value(tree.body, expression.strip()))
    except ZeroDivisionError:
        raise CallFailed("division by zero") from None


def _value(node: ast.expr, text: str) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(_number(value, ast.get_source_segment(text, node) or ""))
        case ast.UnaryOp() if type(node.op) in _SIGNS:
            return _SIGNS[type(node.op)](_value(node.operand, text))
        case ast.BinOp(op=ast.Pow()):
            return _power(_value(node.left, text), _value(node.right, text))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _bounded(Fraction(_OPERATORS[type(node.op)](_value(node.left, text), _value(node.right, text))))
    raise CallFailed(f"{ast.get_source_segment(text, node)!r} is not a number or + - * / // % **")


def _number(value: int | float, written: str) -> Fraction:
    """The number as it is written: what a float holds of 0.1 is something else."""
    if isinstance(value, int):
        return Fraction(value)
    digits = written.lower().partition("e")[0]
    if not any(digit in digits for digit in "123456789"):  # 0e9 too, whose power of ten would be multiplied out
        return Fraction(0)
    if not 1e-300 < value < 1e300:
        raise CallFailed("a number is too large or too small")
    return Fraction(written)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise CallFailed("an exponent must be a whole number")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits > 1 and bits * abs(exponent.numerator) > 2 * MOST_BITS:  # the power has more than half as many
        raise CallFailed(_TOO_LARGE)
    return _bounded(base**exponent.numerator)


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise CallFailed(_TOO_LARGE)
    return value


def _written(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    if 10**_PLACES % value.denominator == 0:
        digits = f"{abs(value.numerator) * 10**_PLACES // value.denominator:0{_PLACES + 1}d}"
        return f"{'-' if value < 0 else ''}{digits[:-_PLACES]}.{digits[-_PLACES:].rstrip('0')}"
    return f"{value.numerator}/{value.denominator}, about {float(value):.12g}"
