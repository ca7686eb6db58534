"""How long a CSV file of a million rows takes to import: a thousand runs with a thousand steps each.

Beside it, pandas reading the same file and writing it to one table of the same database, unchecked and as it is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import URL, create_engine

from benchmarks.databases import postgresql_server, temporary_folder
from benchmarks.measure import peak_memory_of_children_mb, print_figure, time_once

RUNS, STEPS = 1000, 1000
# Fetching pandas' rows in statements of this size is about the fastest that it does.
_ROWS_A_STATEMENT = 1000


def main() -> None:
    with temporary_folder() as folder:
        file = folder / "curves.csv"
        _write(file)
        print_figure("the file", f"{RUNS * STEPS:,} rows, {file.stat().st_size / 1e6:.0f} MB")
        _measure("SQLite", file, ours=f"sqlite:///{folder / 'ours.db'}", theirs=f"sqlite:///{folder / 'theirs.db'}")
        with postgresql_server() as server:
            ours, theirs = (_text(server.new_database(empty=True)) for _ in range(2))
            _measure("PostgreSQL", file, ours=ours, theirs=theirs)


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _write(file: Path) -> None:
    """Runs of four models that get better as they see more samples, with the noise of 500 problems."""
    rng = np.random.default_rng(0)
    step = np.tile(np.arange(1, STEPS + 1), RUNS)
    run = np.repeat(np.arange(RUNS), STEPS)
    loss = np.clip(0.9 * step**-0.1 + rng.normal(0.0, 0.02, RUNS * STEPS), 0.0, 1.0)
    pd.DataFrame({
        "model": np.array(["0.5b", "1.5b", "3b", "7b"])[run % 4],
        "num_params": np.array([494e6, 1.5e9, 3.1e9, 7.6e9]).astype(int)[run % 4],
        "seed": run, "step": step, "samples": 512 * step, "tokens": 512 * 700 * step, "tau": 1,
        "benchmark": "heldout", "problems": 500, "test_loss": np.round(loss * 500) / 500,
    }).to_csv(file, index=False)  # fmt: skip


def _measure(database: str, file: Path, *, ours: str, theirs: str) -> None:
    command = [
        sys.executable,
        "-m",
        "orchestrator.cli",
        "import",
        "csv",
        str(file),
        "--sweep",
        "measured",
        "--db",
        ours,
    ]
    seconds = time_once(lambda: subprocess.run(command, check=True, capture_output=True))
    memory = peak_memory_of_children_mb()
    plain = time_once(lambda: _copy_with_pandas(file, theirs))
    print_figure(
        f"{database}: rlsweep import csv",
        f"{seconds:.1f} s, {RUNS * STEPS / seconds:,.0f} rows/s, {memory:,.0f} MB",
        beside=f"{seconds / plain:.2f} x pandas' {plain:.1f} s, which checks nothing",
    )
    again = time_once(lambda: subprocess.run(command, check=True, capture_output=True))
    print_figure(f"{database}: the same file again, which changes nothing", f"{again:.1f} s")


def _copy_with_pandas(file: Path, url: str) -> None:
    engine = create_engine(url)
    pd.read_csv(file).to_sql("curves", engine, index=False, chunksize=_ROWS_A_STATEMENT)
    engine.dispose()


if __name__ == "__main__":
    main()
