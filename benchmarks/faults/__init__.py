"""`kill -9` at random moments over short real trials: what it costs, and that it changes no result.

Rounds of one small sweep, by turns on a Ray of the driver's own with an SQLite file and on a cluster of raylets with a
PostgreSQL server, each in a folder of its own. Beside them an undisturbed run of the same sweep, which every round has
to equal, number by number.
"""

from __future__ import annotations

import argparse
import random
import sys

from benchmarks.faults.rounds import run_rounds


def main() -> None:
    """Also as `python -m benchmarks.faults --faults 10 --random-seed 3`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=50, help="kill at least as often as this")
    parser.add_argument("--random-seed", type=int, default=random.SystemRandom().randrange(10**6))
    named = sys.argv[1:] if sys.argv[0].endswith("faults/__main__.py") else []
    chosen = parser.parse_args(named)
    run_rounds(chosen.faults, random_seed=chosen.random_seed)
