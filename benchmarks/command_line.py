"""How long a user waits for `--help` and for a sweep file to be checked and planned, beside a bare interpreter."""

from __future__ import annotations

import sys

from benchmarks.measure import print_figure, time_commands


def main() -> None:
    python = [sys.executable, "-c", "pass"]
    rlsweep = [sys.executable, "-m", "orchestrator.cli"]
    bare, shown_help, validated, planned = time_commands(
        [
            python,
            [*rlsweep, "--help"],
            [*rlsweep, "validate", "sweeps/compute_scaling.yaml"],
            [*rlsweep, "plan", "sweeps/compute_scaling.yaml"],
        ],
        runs=9,
    )
    print_figure("python -c pass", bare)
    print_figure("rlsweep --help", shown_help, beside=f"{shown_help.median / bare.median:.1f} x python")
    beyond = validated.median - bare.median
    print_figure(
        "rlsweep validate sweeps/compute_scaling.yaml",
        validated,
        target="0.3 s beyond the interpreter's start",
        met=beyond < 0.3,
        beside=f"{validated.median / bare.median:.1f} x python",
    )
    print_figure(
        "rlsweep plan sweeps/compute_scaling.yaml", planned, beside=f"{planned.median / bare.median:.1f} x python"
    )


if __name__ == "__main__":
    main()
