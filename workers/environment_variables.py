"""Environment variables of this process for a while: libraries read them where they take no arguments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


@contextmanager
def environment_variables(values: Mapping[str, str], *, without: Sequence[str] = ()) -> Iterator[None]:
    """Set `values` and unset `without` for the block; afterwards all are as before, whatever was set meanwhile."""
    names = (*values, *without)
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ |= values
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ |= before
