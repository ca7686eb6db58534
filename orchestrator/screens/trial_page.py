"""One trial on a page: what it is, its attempts, its learning curve with a sparkline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.screens.attempt_table import attempt_table

_LEVELS = "▁▂▃▄▅▆▇█"


def print_trial_page(
    console: Console,
    trial: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
    curve: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
) -> None:
    """Print a trial for a person; `--json` has everything."""
    console.print(f"Trial {trial['id']}: {_description(trial)}", highlight=False, markup=False)
    console.print(f"State: {trial['state']}.  Identity: {trial['science_hash']}", highlight=False)
    console.print(attempt_table(attempts, now=now), highlight=False)
    for benchmark, protocol in dict.fromkeys((row["benchmark"], row["protocol"]) for row in curve):
        rows = [row for row in curve if (row["benchmark"], row["protocol"]) == (benchmark, protocol)]
        losses = sparkline([float(row["test_loss"]) for row in rows])
        console.print(f"\nTest loss on {benchmark} ({protocol}), first to last: {losses}", highlight=False)
        console.print(_curve_table(rows))


def sparkline(values: Sequence[float]) -> str:
    """One character a value, from the lowest level at the minimum to the full block at the maximum."""
    low, high = min(values), max(values)
    if high == low:
        return _LEVELS[0] * len(values)
    return "".join(_LEVELS[round((value - low) / (high - low) * (len(_LEVELS) - 1))] for value in values)


def _description(trial: Mapping[str, Any]) -> str:
    """What the trial is, in a line; an imported one may not say everything."""
    if trial["origin"] != "native":
        words = {"seed": "seed", "algorithm": "algorithm", "data": "data", "group_size": "group size", "tau": "tau"}
        told = [f"{word} {trial[name]}" for name, word in words.items() if trial[name] is not None]
        return ", ".join([trial["model"], *told, f"imported ({trial['origin']})"])
    return (
        f"{trial['model']}, seed {trial['seed']}, {trial['algorithm']} on "
        f"{trial['data']}, {trial['prompts_per_step']} prompts x {trial['group_size']} a step, "
        f"learning rate {trial['learning_rate']:g}"
    )


def _curve_table(curve: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("step", "samples", "tokens", "FLOPs", "test loss", "± SE"):
        table.add_column(name, justify="right")
    for row in curve:
        error = row["standard_error"]
        table.add_row(
            str(row["step"]),
            "" if row["samples"] is None else f"{row['samples']:,}",
            "" if row["tokens"] is None else f"{row['tokens']:,}",
            "" if row["flops"] is None else f"{row['flops']:.3g}",
            f"{row['test_loss']:.4f}",
            "" if error is None else f"{error:.4f}",
        )
    return table
