"""docs/schema.md, from the descriptions of the tables and views: `make docs` writes it, a test holds the two equal.

Nothing here connects to a database, and nothing is said of a column that its description does not say, but for two
things that they do not keep: which columns of a view are never NULL, and which columns the diagram shows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Table, UniqueConstraint

from db.description.catalog import Kind, Relation, relations

_OPENING = """\
# What the database holds

Written by `make docs` from the code; [analysts.md](analysts.md) says how to get at it, with questions and their SQL.

A sweep asks for trials; a trial is one trajectory of training, run once whichever sweeps ask for it; an attempt is one
execution of a trial, from a checkpoint or from the start. Attempts write steps, evaluations and checkpoints. Runs that
other programs recorded are imported into the same tables. Fits keep what was concluded, and from which rows.

* A missing number is NULL, never 0. A 0 was measured.
* Moments are in UTC. SQLite keeps them as text without a zone, `2026-01-31 23:59:59.123456`; true and false are 1 and 0
  there, JSON is text.
* FLOPs are double precision: 1e19 does not fit a 64-bit integer. They count multiplications and additions of the model
  itself, by phase; `paper_flops` is the coarser count of arXiv 2509.25300.
* Steps and scores are kept for every attempt, but each counts once. Where an attempt continued from a checkpoint, the
  later steps of the attempts before it are no longer part of the curve. What counts is the live lineage; views of
  results show nothing else. What was paid for the rest is in `flop_ledger` and `attempt_failure`.
* Names and columns are the same on SQLite and on PostgreSQL, which also has every text below as COMMENT ON.

Read from the views where one answers; the tables have every detail. Never write: `rlsweep` keeps the tables consistent.
"""

# The tables in reading order: what was asked for, what ran, what came out, what was concluded. Each with the columns
# that its box in the diagram shows besides its keys.
_IN_DIAGRAM = {
    "sweep": ("name", "question"),
    "trial": ("state", "model", "seed", "tau", "group_size"),
    "sweep_trial": ("position", "budget_last"),
    "webhook": ("told_through_at", "last_event"),
    "model": ("name", "num_params", "weights_sha256"),
    "data_set": ("name", "sha256"),
    "problem": ("position", "sha256"),
    "import_file": ("path", "format", "sha256"),
    "attempt": ("number", "state", "failure_class", "live_through_step"),
    "step": ("cumulative_samples", "cumulative_flops", "reward"),
    "evaluation": ("step", "benchmark", "protocol", "score"),
    "evaluation_item": ("successes", "probability"),
    "checkpoint": ("step", "uri", "manifest_sha256"),
    "fit": ("scope", "x", "status"),
    "fit_parameter": ("name", "estimate", "low", "high"),
    "fit_point": ("role", "weight"),
    "fit_holdout": ("predicted", "actual"),
    "fit_form": ("form", "delta_aicc"),
    "fit_check": ("severity", "message"),
}

# Of a view's columns, those that are never NULL. No database keeps this for views; a test looks at their rows.
_NEVER_NULL = {
    "learning_curve": "evaluation_id trial_id attempt step model origin trial_state benchmark protocol score test_loss",
    "final_result": "evaluation_id trial_id model origin trial_state benchmark protocol step score test_loss "
    "first_test_loss best_test_loss gain",
    "flop_ledger": "trial_id attempt attempt_state model origin steps lost_steps",
    "sweep_coverage": "sweep_id sweep trials planned queued running paused recovering succeeded stopped failed "
    "cancelled attempts",
    "trial_status": "sweep_id sweep trial_id position model state origin step",
    "attempt_failure": "trial_id attempt model attempt_state failure_class started_at lost_steps trial_state",
    "data_reuse": "trial_id model tau step samples benchmark protocol score test_loss baseline_trial_id "
    "baseline_test_loss loss_difference",
    "prompt_exposure": "trial_id model data_set_id position sha256 times_drawn",
    "step_phase": "trial_id attempt step model phase",
    "group_size_curve": "model group_size benchmark protocol step runs mean_test_loss min_test_loss max_test_loss",
    "fit_summary": "fit_id created_at rlsweep_version scope x benchmark protocol k_form estimator status num_points "
    "num_effective num_sizes num_runs warnings",
    "live_checkpoint": "trial_id attempt step uri num_bytes manifest_sha256 is_milestone",
}
_ALL_ROWS_OF = {"live_step": "step", "live_evaluation": "evaluation"}

_WORDS = {
    Kind.INTEGER: "integer", Kind.REAL: "number", Kind.TEXT: "text", Kind.TIMESTAMP: "moment",
    Kind.BOOLEAN: "true/false", Kind.JSON: "JSON", Kind.BYTES: "bytes",
}  # fmt: skip


def schema_page() -> str:
    """The text of docs/schema.md."""
    views = [each for each in relations().values() if each.is_view]
    tables = [relations()[name] for name in _IN_DIAGRAM]
    return "\n".join(
        [
            _OPENING,
            *_contents("Views", views),
            *_contents("Tables", tables),
            *_diagram(tables),
            "## The views' columns\n",
            *(line for view in views for line in _section(view)),
            "## The tables' columns\n",
            *(line for table in tables for line in _section(table)),
        ]
    )


def may_be_null(relation: Relation, column: str) -> bool:
    """Whether a row of the view or table may lack a value there."""
    if not relation.is_view:
        return bool(relation.table.c[column].nullable)
    if relation.name in _ALL_ROWS_OF:
        return may_be_null(relations()[_ALL_ROWS_OF[relation.name]], column)
    return column not in _NEVER_NULL[relation.name].split()


def type_in_words(relation: Relation, column: str) -> str:
    """What an analyst calls the column's type."""
    return next(_WORDS[each.kind] for each in relation.columns if each.name == column)


def _contents(heading: str, listed: Sequence[Relation]) -> Iterator[str]:
    yield f"## {heading}\n"
    yield "| name | what it holds |"
    yield "|---|---|"
    for each in listed:
        yield f"| [`{each.name}`](#{each.name}) | {_cell(each.comment)} |"
    yield ""


def _section(relation: Relation) -> Iterator[str]:
    yield f"### {relation.name}\n"
    yield f"{relation.comment}\n"
    if not relation.is_view:
        yield f"{_keys(relation.table)}\n"
    targets = {column.name: _targets(column) for column in relation.table.columns}
    has_targets = any(targets.values())
    yield "| column | type | NULL | meaning |" + (" refers to |" if has_targets else "")
    yield "|---|---|---|---|" + ("---|" if has_targets else "")
    for column in relation.columns:
        null = "may be" if may_be_null(relation, column.name) else ""
        cells = [f"`{column.name}`", type_in_words(relation, column.name), null, _cell(column.comment)]
        yield f"| {' | '.join(cells + [targets[column.name]] * has_targets)} |"
    yield ""


def _keys(table: Table) -> str:
    """The primary key, and what else no two rows share."""
    sentences = [f"Key: {_listed(table.primary_key.columns)}."]
    unique = sorted(
        _listed(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint) and each.columns
    )
    return " ".join(sentences + [f"No two rows have the same {each}." for each in unique])


def _listed(columns: Any) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)


def _targets(column: Column[Any]) -> str:
    """The columns that a foreign key says this one is found in."""
    found = sorted({f"{each.column.table.name}.{each.column.name}" for each in column.foreign_keys})
    return ", ".join(f"[`{target}`](#{target.partition('.')[0]})" for target in found)


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table, where a bar would end the cell."""
    return text.replace("|", "\\|")


def _diagram(tables: Sequence[Relation]) -> Iterator[str]:
    yield "```mermaid"
    yield "erDiagram"
    for table in (each.table for each in tables):
        for key in sorted(table.foreign_key_constraints, key=_label):
            yield f'    {key.referred_table.name} {_cardinality(key)} {table.name} : "{_label(key)}"'
    for each in tables:
        yield f"    {each.name} {{"
        keys = [column for column in each.table.columns if column.primary_key or column.foreign_keys]
        for column in (*keys, *(each.table.c[name] for name in _IN_DIAGRAM[each.name])):
            marks = ["PK"] * column.primary_key + ["FK"] * bool(column.foreign_keys)
            yield f"        {type_in_words(each, column.name)} {column.name} {', '.join(marks)}".rstrip()
        yield "    }"
    yield "```\n"


def _cardinality(key: ForeignKeyConstraint) -> str:
    """Many rows refer to one row, or to none where the key may be NULL."""
    return "|o--o{" if any(column.nullable for column in key.columns) else "||--o{"


def _label(key: ForeignKeyConstraint) -> str:
    return ", ".join(column.name for column in key.columns)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_page(), encoding="utf-8")
