"""Amounts: what is printed can be typed back, and what is no amount is none."""

from __future__ import annotations

import pytest

from scaling.wording import amount_of, short


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("40K", 40e3), ("40k", 40e3), ("7b", 7e9), ("7 B", 7e9), ("1.5G", 1.5e9), ("100B", 100e9), ("2T", 2e12),
        ("1e21", 1e21), ("1E+21", 1e21), ("5e-3", 0.005), ("512", 512.0), ("10,240", 10240.0), (".5", 0.5),
    ],
)  # fmt: skip
def test_amounts_are_read_as_people_write_them(text: str, amount: float) -> None:
    assert amount_of(text) == pytest.approx(amount, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["", "0", "-7B", "inf", "nan", "1e30", "1e400", "7Q", "1e9B", "1_000", "1,0", "B", "0x10", "1 000"]
)
def test_what_is_no_amount_is_none(text: str) -> None:
    assert amount_of(text) is None


@pytest.mark.parametrize("scale", [10.0**power for power in range(-6, 29)])
@pytest.mark.parametrize("digits", [1.0, 2.345, 5.12, 9.994, 9.996])
def test_what_is_printed_can_be_typed_back(digits: float, scale: float) -> None:
    printed = short(digits * scale)
    read = amount_of(printed)
    assert read == pytest.approx(digits * scale, rel=0.005)
    assert short(read) == printed
    assert len(printed) <= 8


def test_beyond_words_an_amount_is_a_power_of_ten() -> None:
    assert (short(5.12e15), short(9.996e14), short(1e21)) == ("5.12e15", "1e15", "1e21")
