"""`python -m benchmarks [NAME ...]`: every benchmark, or those that are named, one after the other."""

from __future__ import annotations

import sys
from importlib import import_module

# In the order of how long they take: seconds, minutes, a quarter of an hour.
NAMES = (
    "command_line",
    "planning",
    "rewards",
    "sandbox",
    "training",
    "half_a_billion",
    "fitting",
    "fitting_recovery",
    "fitting_forecasts",
    "store_writes",
    "store_beside_others",
    "csv_import",
    "store_queries",
    "launching",
    "faults",
)

if __name__ == "__main__":
    chosen = sys.argv[1:] or NAMES
    if unknown := [name for name in chosen if name not in NAMES]:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}.")
    for name in chosen:
        module = import_module(f"benchmarks.{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main()
