"""How often the tests that repeat something repeat it: `make test` has to be quick, `make soak` may take its time."""

from __future__ import annotations

import os

import pytest

SOAK = os.environ.get("RLSWEEP_SOAK") == "1"

needs_a_quiet_machine = pytest.mark.skipif(
    not SOAK, reason="a Ray cluster with a dashboard wants more than two cores beside other tests: make soak"
)
only_when_soaking = pytest.mark.skipif(not SOAK, reason="repeats at length what another test shows: make soak")


def times(quick: int, soak: int) -> int:
    """The number of repetitions."""
    return soak if SOAK else quick
