"""How long a sweep of 10,000 trials takes to plan, and to check, and how much memory that needs.

Beside it runs the least that any planner must do: reading the file, the product of its axes, and a hash of each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import print_figure, time_commands

TRIALS = 10_000
_STUDY = """
name: grid
base:
  preset: paper
  model: Qwen/Qwen2.5-7B
  data: {train: organisation/prompts, total_prompts: 51200}
budgets: {unit: flops, at: [1.0e18, 3.0e18, 1.0e19]}
evaluations: [{benchmark: heldout, protocol: fixed, method: sampled, samples: 4, at: log_spaced}]
"""
_LEARNING_RATES = [number * 1e-6 for number in range(1, 21)]
# Trials that differ in their seed alone are planned once; those of the other grid are planned each by itself.
_GRIDS = {
    "400 kinds of 25 seeds": {
        "optimizer.learning_rate": _LEARNING_RATES,
        "prompts_per_step": [64 * number for number in range(1, 21)],
        "seed": list(range(25)),
    },
    "all of different kinds": {
        "model": [f"Qwen/Qwen2.5-{size}" for size in ("0.5B", "1.5B", "3B", "7B", "14B")],
        "optimizer.learning_rate": _LEARNING_RATES,
        "group_size": [4, 8, 16, 32],
        "generation.max_completion_tokens": [1024 * number for number in range(1, 6)],
        "loss.clip_high": [0.2, 0.24, 0.28, 0.3, 0.35],
    },
}
_LEAST = """
import hashlib, itertools, json, sys, yaml
sweep = yaml.load(open(sys.argv[1]), yaml.CSafeLoader)
axes = sweep["axes"]["grid"]
for values in itertools.product(*axes.values()):
    hashlib.sha256(json.dumps({**sweep["base"], **dict(zip(axes, values))}, sort_keys=True).encode()).hexdigest()
"""
_PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
_MEASURED = f"import subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); {_PEAK}"


def main() -> None:
    python, rlsweep = [sys.executable], [sys.executable, "-m", "orchestrator.cli"]
    with tempfile.TemporaryDirectory() as folder:
        for name, grid in _GRIDS.items():
            file = Path(folder, "grid.yaml")
            file.write_text(f"{_STUDY}axes: {{grid: {json.dumps(grid)}}}\n")
            database = ["--db", str(Path(folder, "none.db"))]
            commands = {
                "rlsweep plan": [*rlsweep, "plan", str(file), *database],
                "rlsweep plan --json": [*rlsweep, "plan", str(file), "--json", *database],
                "rlsweep validate": [*rlsweep, "validate", str(file)],
            }
            bare, least, *timings = time_commands(
                [[*python, "-c", "pass"], [*python, "-c", _LEAST, str(file)], *commands.values()], runs=5
            )
            print(f"{TRIALS:,} trials, {name}; product and hashes alone: {least}")
            for (label, command), timing in zip(commands.items(), timings, strict=True):
                megabytes = _peak_megabytes(command)
                beyond = timing.median - bare.median
                print_figure(
                    f"  {label}",
                    f"{timing}, {megabytes:.0f} MB",
                    target="under 2 s and 300 MB" if label == "rlsweep plan" else "",
                    met=beyond < 2 and megabytes < 300,
                    beside=f"{timing.median / least.median:.1f} x product and hashes",
                )


def _peak_megabytes(command: list[str]) -> float:
    """Of the one process: in this one, the largest child so far would count."""
    done = subprocess.run([sys.executable, "-c", _MEASURED, *command], check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
