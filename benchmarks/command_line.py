"""How long a user waits for `--help` and for a sweep file to be checked, beside a bare interpreter."""

from __future__ import annotations

import sys

from benchmarks.measure import time_commands


def main() -> None:
    python = [sys.executable, "-c", "pass"]
    rlsweep = [sys.executable, "-m", "orchestrator.cli"]
    bare, shown_help, validated = time_commands(
        [python, [*rlsweep, "--help"], [*rlsweep, "validate", "sweeps/quickstart.yaml"]], runs=9
    )
    print(f"python -c pass                            {bare}")
    print(f"rlsweep --help                            {shown_help}, {shown_help.median / bare.median:.1f} x")
    print(f"rlsweep validate sweeps/quickstart.yaml   {validated}, {validated.median / bare.median:.1f} x")


if __name__ == "__main__":
    main()
