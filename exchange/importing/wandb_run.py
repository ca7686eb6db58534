"""W&B offline runs: their history, and of their configuration what describes the run.

Folders of the same run, which was resumed, are read as one. Nothing is fetched from a server.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.errors import SpecError
from exchange.importing.fields import FIELDS
from exchange.importing.log_table import LogTable, content_of
from exchange.importing.mapping import Request, Target
from exchange.importing.metric_log import live_values, not_numbers, to_frame
from exchange.importing.metric_names import meaning_of
from exchange.importing.run_config import read_config
from exchange.importing.wandb_records import read_records

# Transformers logs its own step beside W&B's; verl and most others log with W&B's.
_STEP_METRICS = ("train/global_step", "_step")


@dataclass
class _Run:
    """What one run's files say, in order."""

    run_id: str
    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    has_ended: bool = False


def read_wandb_runs(folders: Sequence[Path], request: Request) -> list[LogTable]:
    """A table a run, for every run in the folders. SpecError if there is none."""
    runs: dict[str, _Run] = {}
    for path in _files(folders):
        _add(runs, path)
    return [_table(run, request) for run in runs.values()]


def _files(folders: Sequence[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for folder in folders:
        # `latest-run` is a link to one of the others.
        files = [folder] if folder.is_file() else sorted(path.resolve() for path in folder.rglob("*.wandb"))
        if not files:
            raise SpecError(f"{folder} holds no W&B run: no file that ends in .wandb.")
        found |= dict.fromkeys(files)
    return list(found)


def _add(runs: dict[str, _Run], path: Path) -> None:
    run = _Run(path.stem.removeprefix("run-"))
    for record in read_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = runs.setdefault(record.run.run_id, _Run(record.run.run_id))
            run.has_ended = False
            run.name = record.run.display_name or run.name
            run.config |= _items(record.run.config.update)
        elif kind == "config":
            run.config |= _items(record.config.update)
        elif kind == "history":
            run.history.append(dict(_numbers(_items(record.history.item))))
        elif kind == "exit":
            run.has_ended = True
    runs.setdefault(run.run_id, run).files.append(path)


def _table(run: _Run, request: Request) -> LogTable:
    sha256, num_bytes = content_of(run.files)
    names = ", ".join(map(str, run.files))
    step_metric = _step_metric(run.history, request)
    rows, resumed = live_values(_values(run.history, step_metric))
    if not rows:
        raise SpecError(f"{names} has no history: nothing was logged with {step_metric} as its step.")
    frame, totals = to_frame(rows, step_name=step_metric)
    targets, facts = meaning_of(map(str, frame))
    name = f"{run.name} ({run.run_id})" if run.name else run.run_id
    unfinished = () if run.has_ended else ("The run was cut off, or still runs: its file has no end.",)
    config = read_config(run.config)
    return LogTable(
        names, "wandb", sha256, num_bytes, frame, "step", {step_metric: Target(FIELDS["step"]), **targets},
        {"run": name, **config.facts, **facts}, config.entries, config.keys, (*resumed, *totals, *unfinished),
        not_numbers(rows),
    )  # fmt: skip


def _step_metric(history: Sequence[Mapping[str, float]], request: Request) -> str:
    chosen = [column for column, target in request.columns.items() if target and target.key == "step"]
    return next((name for name in (*chosen, *_STEP_METRICS) if any(name in row for row in history)), _STEP_METRICS[-1])


def _values(history: Iterable[Mapping[str, float]], step_metric: str) -> Iterator[tuple[int, str, float]]:
    for row in history:
        step = row.get(step_metric, math.nan)
        if step.is_integer():
            yield from ((int(step), name, value) for name, value in row.items() if name != step_metric)


def _items(items: Iterable[Any]) -> dict[str, Any]:
    """Key -> value of configuration or history items; a nested key is joined by dots."""
    return {".".join(item.nested_key) or item.key: _value(item) for item in items}


def _value(item: Any) -> Any:
    """An item's value: JSON text, or in newer histories a field of its type."""
    kinds = item.DESCRIPTOR.fields_by_name
    if "number" in kinds:
        for kind in ("number", "integer", "boolean", "text"):
            if item.HasField(kind):
                return getattr(item, kind)
    return json.loads(item.value_json) if item.value_json else None


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, float(value)
