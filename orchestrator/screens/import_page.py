"""What an import did, or would do: columns and what they were taken for, runs and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scaling.wording import short

if TYPE_CHECKING:
    from db.store.import_outcome import ImportOutcome, RunOutcome
    from exchange.importing.imported_log import ImportedLog
    from exchange.importing.summary import RunSummary

_LISTED_RUNS = 40
_LISTED_CONTRADICTIONS = 20
_CHANGES = ("new", "extended", "replaced", "conflicting", "unchanged")


@dataclass(frozen=True, eq=False)
class ImportedFileView:
    """One file: what it holds and what became of it; `summaries` are in the order of the outcome's runs."""

    log: ImportedLog
    outcome: ImportOutcome
    summaries: Sequence[RunSummary]


def print_import(console: Console, views: Sequence[ImportedFileView], *, sweep: str, dry_run: bool) -> None:
    """Print an import for a person; a dry run shows every column and run."""
    if dry_run:
        _print_mappings(console, views)
        console.print(_run_table(views))
        _print_contradictions(console, [run for view in views for run in view.outcome.runs])
    else:
        _print_ignored(console, views)
    for note in dict.fromkeys(f"{view.log.file.path}: {note}" for view in views for note in view.log.notes):
        console.print(f"Note: {note}", highlight=False, markup=False)
    console.print(_conclusion(views, sweep=sweep, dry_run=dry_run), highlight=False, markup=False)


def import_as_json(views: Sequence[ImportedFileView], *, sweep: str, dry_run: bool) -> dict[str, Any]:
    """The same as what `json.dumps` takes."""
    return {"sweep": sweep, "dry_run": dry_run, "files": [_file_as_json(view) for view in views]}


def _file_as_json(view: ImportedFileView) -> dict[str, Any]:
    pairs = zip(view.summaries, view.outcome.runs, strict=True)
    return {
        **asdict(view.log.file),
        "mapping": dict(view.log.mapping),
        "constants": {name: value for name, value in view.log.file.mapping.items() if name.startswith("--set ")},
        "ignored": list(view.log.ignored),
        "notes": list(view.log.notes),
        "runs": [asdict(summary) | _outcome_as_json(outcome) for summary, outcome in pairs],
    }


def _outcome_as_json(outcome: RunOutcome) -> dict[str, Any]:
    return {
        "change": outcome.change,
        "steps_written": outcome.num_steps,
        "evaluations_written": outcome.num_evaluations,
        "contradictions": [asdict(each) for each in outcome.contradictions[:_LISTED_CONTRADICTIONS]],
    }


def _print_mappings(console: Console, views: Sequence[ImportedFileView]) -> None:
    """Each mapping once: many runs of one program have the same columns."""
    pairs = dict.fromkeys(pair for view in views for pair in view.log.mapping)
    constants = {name: value for view in views for name, value in view.log.file.mapping.items() if "--set " in name}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("column")
    table.add_column("taken for")
    for column, target in pairs:
        table.add_row(Text(column), Text(target))
    for name, value in constants.items():
        table.add_row(Text("every row", style="dim"), Text(f"{name.removeprefix('--set ')} = {value}"))
    console.print(table)
    _print_ignored(console, views)
    console.print()


def _print_ignored(console: Console, views: Sequence[ImportedFileView]) -> None:
    used = {column for view in views for column, _ in view.log.mapping}
    ignored = [name for name in dict.fromkeys(each for view in views for each in view.log.ignored) if name not in used]
    if ignored:
        console.print(f"Ignored columns: {', '.join(ignored)}", highlight=False, markup=False)


def _run_table(views: Sequence[ImportedFileView]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "model", "N", "seed", "steps", "evaluations", "x", "here"):
        is_number = name in ("N", "seed", "evaluations")
        is_short = is_number or name in ("steps", "here")
        table.add_column(name, justify="right" if is_number else "left", no_wrap=is_short, overflow="fold")
    rows = [pair for view in views for pair in zip(view.summaries, view.outcome.runs, strict=True)]
    for summary, outcome in rows[:_LISTED_RUNS]:
        table.add_row(
            Text(summary.name),
            Text(summary.model),
            "" if summary.num_params is None else short(summary.num_params),
            "" if summary.seed is None else str(summary.seed),
            f"{summary.num_steps:,} ({summary.first_step} to {summary.last_step})",
            f"{summary.num_evaluations:,}",
            ", ".join(summary.x) or "steps only",
            _changed(outcome),
        )
    if len(rows) > _LISTED_RUNS:
        table.caption, table.caption_justify = f"... and {len(rows) - _LISTED_RUNS} more; --json lists all", "left"
    return table


def _changed(outcome: RunOutcome) -> str:
    if outcome.change == "extended":
        return f"extended (+{outcome.num_steps} steps, +{outcome.num_evaluations} evaluations)"
    if outcome.change == "conflicting":
        return f"conflicting ({len(outcome.contradictions)} values)"
    return outcome.change


def _print_contradictions(console: Console, runs: Sequence[RunOutcome]) -> None:
    found = [each for run in runs for each in run.contradictions]
    for each in found[:_LISTED_CONTRADICTIONS]:
        console.print(f"! {each}", highlight=False, markup=False)
    if found:
        rest = f"... and {len(found) - _LISTED_CONTRADICTIONS} more. " if len(found) > _LISTED_CONTRADICTIONS else ""
        console.print(f"{rest}Such files are refused; --replace makes their rows the ones that count.")


def _conclusion(views: Sequence[ImportedFileView], *, sweep: str, dry_run: bool) -> str:
    runs = [run for view in views for run in view.outcome.runs]
    counts = Counter(str(run.change) for run in runs)
    told = ", ".join(f"{counts[change]} {change}" for change in _CHANGES if counts[change])
    steps, scores = sum(run.num_steps for run in runs), sum(run.num_evaluations for run in runs)
    written = f"{steps:,} steps and {scores:,} evaluations"
    what = f"{len(runs)} run{'s' * (len(runs) != 1)} of sweep {sweep}: {told}"
    if dry_run:
        return f"{what}; {written} to write. Dry run: nothing was written."
    if not steps and not scores:
        return f"{what}. Everything was there already; nothing was written."
    return f"{what}; {written} written.\nNext: rlsweep fit {sweep}   (or: rlsweep status {sweep})"
