"""What a trial costs beside the same training by a plain TRL script: seconds a step, peak memory, and once for all.

Both train the quickstart's third model with its recipe, evaluation and checkpoints left out, on the same prompts in the
same order, each in a process of its own, in turn. The trial writes every step to a SQLite file. What it costs once is
by how much its process, imports included, takes longer than the script's beyond the steps: it registers its sweep in a
new database, hashes the weights, scores the held-out problems at its end, and writes and hashes a checkpoint.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.measure import print_figure
from benchmarks.plain_trl import train_plainly

STEPS, TURNS = 30, 3
SWEEP = Path(__file__).parents[1] / "sweeps" / "quickstart.yaml"
OVERRIDES = ["model=[qwen2-394k]", "seed=[11]", f"budgets={{unit: steps, at: [{STEPS}]}}",
             "evaluations=[{benchmark: heldout, at: budgets}]", "checkpoints={every_steps: 1000}"]  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _child("trial", folder, "warm")  # makes the base model, which is not what is timed
        # In turn, so that drift hits both alike.
        turns = [(_child("plain", folder, str(turn)), _child("trial", folder, str(turn))) for turn in range(TURNS)]
    plain, trial = (
        {name: statistics.median(each[name] for each in measured) for name in ("seconds", "megabytes", "once")}
        for measured in zip(*turns, strict=True)
    )
    for name, unit in (
        ("seconds", "s a step"),
        ("megabytes", "MB at the peak"),
        ("once", "s before and after its steps"),
    ):
        ratio = trial[name] / plain[name]
        print_figure(
            f"a trial, {unit}",
            f"{trial[name]:.4g}",
            target="<= 1.02 x" if name == "seconds" else "",
            met=ratio <= 1.02,
            beside=f"{ratio:.3f} x a plain TRL script's {plain[name]:.4g}",
        )


def _child(kind: str, folder: str, turn: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.training", kind, folder, turn]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - began
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found | {"once": whole - STEPS * found["seconds"]}


def _trial(folder: Path, turn: str) -> float:
    """Seconds a step of a real trial, from the end of its first step to that of its last, as the store has them."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from db.store import claim
    from orchestrator.registration import register
    from orchestrator.sweepfile.loading import load_sweep
    from workers.provenance import this_process
    from workers.trial import Folders, run_trial

    engine = open_database(resolve_url(str(folder / f"{turn}.db")))
    loaded = load_sweep(SWEEP, OVERRIDES)
    registration = register(engine, loaded)
    (trial_id,), reader = registration.trial_ids, Reader(engine)
    store = claim(engine, trial_id=trial_id, sweep_id=registration.sweep_id, process=this_process())
    run_trial(
        loaded.trials[0].spec,
        store=store,
        reader=reader,
        folders=Folders(folder / "models", folder / turn, str(folder / turn / "checkpoints")),
        is_stopping=lambda: False,
        on_loss=lambda failure, message: None,
    )
    ended = [row["recorded_at"] for row in reader.live_steps(trial_id, ["recorded_at"])]
    return _seconds_between(ended[0], ended[-1]) / (len(ended) - 1)


def _seconds_between(first: datetime, last: datetime) -> float:
    return (last - first).total_seconds()


def _plain(folder: Path) -> float:
    """Seconds a step of TRL's own trainer with the same settings."""
    from orchestrator.sweepfile.loading import load_sweep
    from workers.tasks import load_task

    spec = load_sweep(SWEEP, OVERRIDES).trials[0].spec
    (base,) = (each for each in (folder / "models").iterdir() if each.is_dir())
    task = load_task(spec.data)
    problems = task.training_problems(STEPS * spec.algorithm.prompts_per_step)
    rows = [{"prompt": [{"role": "user", "content": each.prompt}], "answer": each.answer} for each in problems]

    def judge(texts: list[str], golds: list[str]) -> list[float]:
        return [task.reward(text, gold) for text, gold in zip(texts, golds, strict=True)]

    ended = train_plainly(spec, base, rows, judge, steps=STEPS, output=folder / "plain")
    return (ended[-1] - ended[0]) / (len(ended) - 1)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        kind, folder, turn = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
        seconds = _plain(folder) if kind == "plain" else _trial(folder, turn)
        print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
