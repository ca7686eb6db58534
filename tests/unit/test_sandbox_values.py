"""Plain values across the border: they come back equal and of the same type; bytes from anybody do no harm."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.sandbox.inside.values import NotPlainError, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    hashables | st.sets(scalars, max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=10,
)


def _types(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value), [_types(member) for member in value]
    return type(value)


@given(values)
def test_a_plain_value_comes_back_the_same(value: Any) -> None:
    back = decode(encode(value))
    assert back == value
    assert _types(back) == _types(value)


@given(st.binary())
def test_any_bytes_are_a_plain_value_or_refused(data: bytes) -> None:
    with suppress(NotPlainError):
        decode(data)


@given(values, st.data())
def test_a_message_that_was_tampered_with_is_a_plain_value_or_refused(value: Any, data: st.DataObject) -> None:
    message = bytearray(encode(value))
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with suppress(NotPlainError):
        decode(bytes(message))


def test_what_is_no_number_and_halves_of_characters_cross() -> None:
    assert math.isnan(decode(encode(math.nan)))
    assert decode(encode("\ud800")) == "\ud800"


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize(("value", "plain"), [(Liar(3), 3), ([Liar(3)], [3]), ({Liar(3): 1}, {3: 1})])
def test_of_a_subclass_only_the_plain_value_crosses(value: object, plain: object) -> None:
    back = decode(encode(value))
    assert back == plain
    assert not isinstance(back, Liar)
    assert encode(back) == encode(plain)


@pytest.mark.parametrize("value", [object(), len, int, (i for i in ()), range(3), {}.keys(), bytearray(b"x")])
def test_what_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(NotPlainError, match="no plain value"):
        encode(value)
