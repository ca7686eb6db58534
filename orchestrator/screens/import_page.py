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
_LISTED_NAMES = 20
_CHANGES = ("new", "extended", "replaced", "conflicting", "unchanged")
# A pipe has no width: its reader wants whole lines.
_NO_WIDTH = 100_000


@dataclass(frozen=True, eq=False)
class ImportedFileView:
    """One file: what it holds and what became of it; `summaries` are in the order of the outcome's runs."""

    log: ImportedLog
    outcome: ImportOutcome
    summaries: Sequence[RunSummary]


def import_console() -> Console:
    """Where an import is printed: lines are wrapped on a terminal, and nowhere else."""
    console = Console()
    return console if console.is_terminal else Console(width=_NO_WIDTH)


def print_import(
    console: Console, views: Sequence[ImportedFileView], *, sweep: str, dry_run: bool, advice: str | None = None
) -> None:
    """Print an import for a person; a dry run shows every column and run."""
    if dry_run:
        _print_mappings(console, views)
        _print_runs(console, views)
        _print_contradictions(console, [run for view in views for run in view.outcome.runs])
    else:
        _print_ignored(console, views)
    for note in dict.fromkeys(f"{view.log.file.path}: {note}" for view in views for note in view.log.notes):
        _say(console, f"Note: {note}")
    _say(console, _conclusion(views, sweep=sweep, dry_run=dry_run))
    if advice is not None:
        _say(console, advice)


def import_as_json(views: Sequence[ImportedFileView], *, sweep: str, dry_run: bool) -> dict[str, Any]:
    """The same as what `json.dumps` takes."""
    return {"sweep": sweep, "dry_run": dry_run, "files": [_file_as_json(view) for view in views]}


def _file_as_json(view: ImportedFileView) -> dict[str, Any]:
    pairs = zip(view.summaries, view.outcome.runs, strict=True)
    return {
        **asdict(view.log.file),
        "mapping": dict(view.log.mapping),
        "constants": {name: value for name, value in view.log.file.mapping.items() if name.startswith("--set ")},
        "config": dict(view.log.config),
        "ignored": list(view.log.ignored),
        "ignored_config": list(view.log.unused_config),
        "notes": list(view.log.notes),
        "runs": [asdict(summary) | _outcome_as_json(outcome) for summary, outcome in pairs],
    }


def _outcome_as_json(outcome: RunOutcome) -> dict[str, Any]:
    return {
        "change": outcome.change,
        "steps_written": outcome.num_steps,
        "evaluations_written": outcome.num_evaluations,
        "filled": list(outcome.filled),
        "steps_lost": outcome.lost_steps,
        "evaluations_lost": outcome.lost_evaluations,
        "contradictions": [asdict(each) for each in outcome.contradictions[:_LISTED_CONTRADICTIONS]],
    }


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def _print_mappings(console: Console, views: Sequence[ImportedFileView]) -> None:
    """Each mapping once: many runs of one program have the same columns."""
    pairs = dict.fromkeys(pair for view in views for pair in view.log.mapping)
    constants = {name: value for view in views for name, value in view.log.file.mapping.items() if "--set " in name}
    table = _table("column", "taken for")
    for column, target in pairs:
        table.add_row(Text(column), Text(target))
    for keys, told in dict.fromkeys(pair for view in views for pair in view.log.config):
        table.add_row(Text(f"config {keys}"), Text(told))
    for name, value in constants.items():
        key, _, model = name.removeprefix("--set ").partition(".")
        of_all = not model or "@" in key
        where = "every row" if of_all else f"rows of {model}"
        table.add_row(Text(where, style="dim"), Text(f"{name.removeprefix('--set ') if of_all else key} = {value}"))
    console.print(table)
    _print_ignored(console, views)
    _print_ignored_config(console, views)
    console.print()


def _print_ignored(console: Console, views: Sequence[ImportedFileView]) -> None:
    from exchange.importing.suggestions import with_suggestion

    used = {column for view in views for column, _ in view.log.mapping}
    ignored = [name for name in dict.fromkeys(each for view in views for each in view.log.ignored) if name not in used]
    if ignored:
        _say(console, f"Ignored columns: {', '.join(map(with_suggestion, ignored))}")


def _print_ignored_config(console: Console, views: Sequence[ImportedFileView]) -> None:
    from exchange.importing.suggestions import with_suggestion

    keys = list(dict.fromkeys(key for view in views for key in view.log.unused_config))
    if keys:
        more = f" and {len(keys) - _LISTED_NAMES} more; --json lists all" if len(keys) > _LISTED_NAMES else ""
        told = ", ".join(map(with_suggestion, keys[:_LISTED_NAMES]))
        _say(console, f"Ignored configuration: {told}{more}. To use a key: --map config.KEY=FIELD")


def _print_runs(console: Console, views: Sequence[ImportedFileView]) -> None:
    """A table, or where that is wider than the terminal, two lines a run: names are never cut."""
    rows = [pair for view in views for pair in zip(view.summaries, view.outcome.runs, strict=True)]
    table = _run_table(rows[:_LISTED_RUNS])
    if console.measure(table, options=console.options.update(width=_NO_WIDTH)).maximum <= console.width:
        console.print(table)
    else:
        for summary, outcome in rows[:_LISTED_RUNS]:
            console.print(Text(summary.name), soft_wrap=True)
            console.print(Text(f"  {_described(summary, outcome)}"))
    if len(rows) > _LISTED_RUNS:
        _say(console, f"... and {len(rows) - _LISTED_RUNS} more; --json lists all")


def _run_table(rows: Sequence[tuple[RunSummary, RunOutcome]]) -> Table:
    table = _table(
        "run", "model", "N", "seed", "steps", "evaluations", "x", "here", numbers=("N", "seed", "evaluations")
    )
    for summary, outcome in rows:
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
    return table


def _table(*names: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def _described(summary: RunSummary, outcome: RunOutcome) -> str:
    size = "" if summary.num_params is None else f" ({short(summary.num_params)})"
    seed = "" if summary.seed is None else f", seed {summary.seed}"
    steps = f"{_counted(summary.num_steps, 'step')} ({summary.first_step} to {summary.last_step})"
    x = ", ".join(summary.x) or "steps only"
    scores = _counted(summary.num_evaluations, "evaluation")
    return f"model {summary.model}{size}{seed}; {steps}, {scores}; x: {x}; {_changed(outcome)}"


def _changed(outcome: RunOutcome) -> str:
    if outcome.change == "extended":
        added = [
            f"+{_counted(number, word)}"
            for number, word in ((outcome.num_steps, "step"), (outcome.num_evaluations, "evaluation"))
            if number
        ]
        return f"extended ({', '.join([*added, *(f'+{name}' for name in outcome.filled)])})"
    if outcome.change == "conflicting":
        return f"conflicting ({_counted(len(outcome.contradictions), 'value')})"
    lost = _lost([outcome])
    return f"{outcome.change} (loses {lost})" if lost else outcome.change


def _print_contradictions(console: Console, runs: Sequence[RunOutcome]) -> None:
    from db.store.import_outcome import told

    found = [each for run in runs for each in run.contradictions]
    for line in told(found):
        _say(console, f"! {line}")
    if found:
        _say(console, "Such files are refused; --replace makes their rows the ones that count.")


def _conclusion(views: Sequence[ImportedFileView], *, sweep: str, dry_run: bool) -> str:
    runs = [run for view in views for run in view.outcome.runs]
    counts = Counter(str(run.change) for run in runs)
    told = ", ".join(f"{counts[change]} {change}" for change in _CHANGES if counts[change])
    steps, scores = sum(run.num_steps for run in runs), sum(run.num_evaluations for run in runs)
    filled = list(dict.fromkeys(name for run in runs for name in run.filled))
    parts = [_counted(steps, "step"), _counted(scores, "evaluation")] if steps or scores or not filled else []
    written = " and ".join([*parts, *([f"what was not known ({', '.join(filled)})"] if filled else [])])
    what = f"{_counted(len(runs), 'run')} of sweep {sweep}: {told}"
    if lost := _lost(runs):
        what += f" ({lost} without values in the new file count no more)"
    if dry_run:
        return f"{what}; {written} to write. Dry run: nothing was written."
    if not steps and not scores and not filled:
        return f"{what}. Everything was there already; nothing was written."
    return f"{what}; {written} written."


def _lost(runs: Sequence[RunOutcome]) -> str:
    """What was stored, and the file that replaces it has no values for."""
    numbers = ((sum(run.lost_steps for run in runs), "step"), (sum(run.lost_evaluations for run in runs), "evaluation"))
    return " and ".join(_counted(number, word) for number, word in numbers if number)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
