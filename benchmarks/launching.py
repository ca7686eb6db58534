"""What launching costs: trials whose process has nothing to train, beside bare Ray Tune starting as many processes.

rlsweep's go the whole way of a real trial: from the database's queue through Ray Tune to a process of its own, which
claims its trial, records its steps and ends it in an SQLite file. Only the training, and what it imports, is missing.
Bare Ray Tune starts a Python process that does nothing for each of its trials, reports as many results, and writes them
as it does by default. It keeps its workers (`reuse_actors`), as rlsweep has it on a Ray of its own: by default it would
take several times as long. Each is a driver in a process of its own, with as many trials at a time.
`python -m benchmarks.launching 50` takes fewer trials.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.measure import print_figure, time_commands

if TYPE_CHECKING:
    from sqlalchemy import Engine

TRIALS, RESULTS = 1000, 10
SWEEP = Path(__file__).parents[1] / "sweeps" / "quickstart.yaml"
_SHARES = (0.1, 0.5, 1.0)
_AT_A_TIME = os.cpu_count() or 1


def main(num_trials: int = TRIALS) -> None:
    print_imports()
    tune, ours = _child("tune", num_trials), _child("rlsweep", num_trials)
    print_driver("bare Ray Tune", tune, num_trials)
    print_driver("rlsweep", ours, num_trials)
    overhead = (ours["seconds"] - tune["seconds"]) / num_trials
    ratio = ours["seconds"] / tune["seconds"]
    print_figure(
        "rlsweep's overhead a trial", f"{overhead:.2f} s", beside=f"{ratio:.2f} x bare Ray Tune's seconds a trial"
    )
    print_figure("  in the database, from the claim to the end", f"{ours['claimed'] * 1000:.0f} ms")
    print_figure("    of it each result", f"{ours['result'] * 1000:.1f} ms")


def print_imports() -> None:
    """Print how long a process takes that imports what an attempt does before it trains, and what a Ray worker does."""
    imports = ("pass", "import workers.attempt", "import orchestrator.launching.attempt_process", "import ray.tune")
    empty, attempt, worker, tune = time_commands([[sys.executable, "-c", each] for each in imports], runs=5)
    print_figure("a process that imports what an attempt does", attempt, beside=f"an empty one {empty}")
    print_figure("a process that imports what a Ray worker does, of ours", worker, beside=f"Ray Tune alone {tune}")


def print_driver(name: str, driver: dict[str, Any], num_trials: int) -> None:
    memory = driver["megabytes"]
    growth = (memory[-1] - memory[0]) / (_SHARES[-1] - _SHARES[0]) / num_trials * 100
    print_figure(
        f"{name}: {num_trials} trials, {_AT_A_TIME} at a time",
        f"{driver['seconds'] / num_trials:.2f} s a trial",
        beside=f"{RESULTS * num_trials / driver['seconds']:.1f} results a second",
    )
    print_figure(
        f"  driver's memory after {', '.join(f'{share:.0%}' for share in _SHARES)}",
        ", ".join(f"{each:.0f}" for each in memory) + " MB",
        beside=f"{growth:+.1f} MB per 100 trials",
    )


def _child(kind: str, num_trials: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.launching", kind, folder, str(num_trials)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@dataclass
class _Memory:
    """The driver's resident set, in MB, as the trials come to their ends."""

    num_trials: int
    num_ended: Callable[[], int]
    megabytes: list[float] = field(default_factory=list)

    @contextmanager
    def watched(self) -> Iterator[None]:
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.5):
                self._look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self._look()

    def _look(self) -> None:
        num_ended = self.num_ended()
        reached = sum(share * self.num_trials <= num_ended for share in _SHARES)
        here = psutil.Process().memory_info().rss / 2**20
        self.megabytes += [here] * (reached - len(self.megabytes))


def _rlsweep(folder: Path, num_trials: int) -> dict[str, Any]:
    from rich.console import Console
    from sqlalchemy import func, select

    from db.database import open_database, resolve_url
    from db.reader import Reader
    from db.states import TrialState
    from db.tables import Trial
    from orchestrator.artifact_places import artifact_places
    from orchestrator.launching.drive import drive
    from orchestrator.launching.launches import launches_of
    from orchestrator.launching.oversight import driver_of
    from orchestrator.registration import register, remaining
    from orchestrator.screens.watch import watch_sweep
    from orchestrator.sweepfile.loading import load_sweep

    seeds = ", ".join(map(str, range(num_trials)))
    overrides = ["model=[qwen2-25k]", f"seed=[{seeds}]", f"budgets={{unit: steps, at: [{RESULTS}]}}",
                 "evaluations=[{benchmark: heldout, at: budgets}]"]  # fmt: skip
    loaded, url = load_sweep(SWEEP, overrides), resolve_url(str(folder / "rlsweep.db"))
    os.environ["RLSWEEP_DB"] = str(url)
    places = artifact_places(None, url)
    places.folder.make()
    engine = open_database(url)
    registration, sweep = register(engine, loaded), loaded.sweep
    sweep_id = registration.sweep_id
    launches = launches_of(remaining(engine, sweep_id), registration, loaded.trials, places)

    def num_ended() -> int:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).where(Trial.state == TrialState.SUCCEEDED)) or 0

    memory, began = _Memory(num_trials, num_ended), time.perf_counter()
    with (
        Path(os.devnull).open("w") as nowhere,
        driver_of(engine, sweep_id, limits=sweep.limits, cluster=None) as oversight,
        memory.watched(),
    ):
        drive(
            engine,
            [replace(launch, program="benchmarks.no_op_attempt") for launch in launches],
            retry=sweep.retry,
            address=None,
            at_a_time=_AT_A_TIME,
            ray_folder=places.folder.ray,
            oversight=oversight,
            watch=partial(
                watch_sweep,
                Reader(engine),
                sweep_id=sweep_id,
                title=sweep.name,
                at_a_time=_AT_A_TIME,
                console=Console(file=nowhere),
            ),
        )
    seconds = time.perf_counter() - began
    assert num_ended() == num_trials
    return {"seconds": seconds, "megabytes": memory.megabytes, **_in_the_database(engine)}


def _in_the_database(engine: Engine) -> dict[str, float]:
    """Median seconds of an attempt and of a result, by the database's clock."""
    from sqlalchemy import func, select

    from db.tables import Attempt, Step

    first, last = func.min(Step.recorded_at), func.max(Step.recorded_at)
    with engine.connect() as connection:
        attempts = connection.execute(select(Attempt.started_at, Attempt.ended_at)).all()
        results = connection.execute(select(first, last).group_by(Step.trial_id)).all()
    return {"claimed": _median_seconds(attempts), "result": _median_seconds(results) / (RESULTS - 1)}


def _median_seconds(pairs: Sequence[Any]) -> float:
    return statistics.median((end - start).total_seconds() for start, end in pairs)


def _bare_tune(folder: Path, num_trials: int) -> dict[str, Any]:
    from orchestrator.launching import cluster

    ended: list[str] = []
    memory, began = _Memory(num_trials, lambda: len(ended)), time.perf_counter()
    with cluster.ray_of_its_own(num_cpus=_AT_A_TIME):
        for name in [each for each in os.environ if each.startswith("TUNE_")]:
            del os.environ[name]  # it writes what it writes by default
        from ray import tune

        def trainable(config: dict[str, Any]) -> None:
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            for step in range(RESULTS):
                tune.report({"reward": step / RESULTS})

        class Ends(tune.Callback):
            def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
                ended.append(trial.trial_id)

        tuner = tune.Tuner(
            trainable,
            param_space={"seed": tune.grid_search(list(range(num_trials)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=_AT_A_TIME, reuse_actors=True),
            run_config=tune.RunConfig(name="bare", storage_path=str(folder), callbacks=[Ends()], verbose=0),
        )
        with memory.watched():
            results = tuner.fit()
    seconds = time.perf_counter() - began
    assert len(ended) == num_trials
    assert not results.errors
    return {"seconds": seconds, "megabytes": memory.megabytes}


if __name__ == "__main__":
    if len(sys.argv) <= 2:
        main(*map(int, sys.argv[1:]))
    else:
        kind, folder, num_trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
        print(json.dumps((_rlsweep if kind == "rlsweep" else _bare_tune)(folder, num_trials)))
