"""The table of trials: whatever tells two trials apart can be seen in it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from db.reader import Reader
from orchestrator.registration import register
from orchestrator.screens.trial_table import trial_table
from orchestrator.sweepfile.loading import load_sweep


def test_every_axis_has_a_column(tiny_sweep: Path, database: Engine) -> None:
    loaded = load_sweep(tiny_sweep, ["axes.grid.group_size=[4, 8]", "model=[small]", "seed=[7]"])
    registration = register(database, loaded)
    console = Console(width=100)
    with console.capture() as captured:
        console.print(trial_table("tiny", Reader(database).trials(registration.sweep_id), width=100))
    heading, *rows = captured.get().splitlines()[1:]
    assert heading.split()[:4] == ["trial", "model", "seed", "group_size"]
    assert [row.split()[1:4] for row in rows] == [["small", "7", "4"], ["small", "7", "8"]]
