"""Whether a database is in order: its revision, its tables, its rows, and what the store repeats for speed.

Only looks; nothing is mended here. What is wrong is found by the database's own checks wherever it has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, case, exists, func, inspect, select
from sqlalchemy.exc import DBAPIError

from db.connection.explanations import explained
from db.tables import Attempt, Base, Trial
from db.upkeep.revisions import HEAD_REVISION, VERSION_TABLE, read_revision
from db.upkeep.view_definitions import altered_views, missing_views
from db.views import views

_SHOWN = 5


class Verdict(StrEnum):
    """`note`: worth knowing, and nothing to mend."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What one check has found."""

    check: str
    verdict: Verdict
    message: str


def examine(engine: Engine) -> list[Finding]:
    """Run every check; where pages, tables or views are missing or damaged, only those that need none of them."""
    with explained(engine.url), engine.connect() as connection:
        revision = read_revision(connection)
        findings = [_revision(revision), *_integrity(connection)]
        if any(finding.verdict is not Verdict.OK for finding in findings[:2]):
            return findings
        findings.append(tables(connection))
        if missing_tables(connection) or missing_views(connection) or altered_views(connection):
            findings.append(Finding("rows", Verdict.NOTE, "Not looked at, as tables or views are missing or altered."))
            return findings
        return [*findings, leases(connection), derived_values(connection)]


def _revision(found: str | None) -> Finding:
    if found == HEAD_REVISION:
        return Finding("revision", Verdict.OK, found)
    here = "The database is empty" if found is None else f"The database is at {found}"
    return Finding("revision", Verdict.WRONG, f"{here}, this rlsweep at {HEAD_REVISION}.")


def _integrity(connection: Connection) -> list[Finding]:
    if connection.dialect.name == "postgresql":
        return [_finding("integrity", "Indexes and constraints are valid.", _invalid_in_catalog(connection))]
    pages = _damaged_pages(connection)
    whole = _finding("integrity", "Every page is whole.", pages)
    if pages:  # reading on would only run into them
        return [whole]
    references = [
        f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there"
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
    ]
    return [whole, _finding("foreign keys", "Every reference leads to a row.", references)]


def _damaged_pages(connection: Connection) -> list[str]:
    try:
        return [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
    except DBAPIError as error:  # damage that even the check runs into
        return [str(error.orig)]


def _invalid_in_catalog(connection: Connection) -> list[str]:
    """What PostgreSQL itself holds to be unfinished or unproven."""
    indexes = connection.exec_driver_sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    constraints = connection.exec_driver_sql("SELECT conname FROM pg_constraint WHERE NOT convalidated")
    return [f"index {name} is not valid" for (name,) in indexes] + [
        f"constraint {name} was never checked against the rows" for (name,) in constraints
    ]


def tables(connection: Connection) -> Finding:
    """Whether tables, views and constraints are what this code describes; tables of others are left out."""
    problems = [*_table_differences(connection), *_missing_checks(connection), *_view_differences(connection)]
    return _finding("tables", f"{len(Base.metadata.tables)} tables, {len(views.tables)} views.", problems)


def missing_tables(connection: Connection) -> list[str]:
    """Tables that are not in the database: what they held is lost."""
    present = set(inspect(connection).get_table_names())
    return [name for name in Base.metadata.tables if name not in present]


def _table_differences(connection: Connection) -> Iterator[str]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def ours(_object: Any, _name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
        return not (kind == "table" and reflected and counterpart is None)

    options = {"version_table": VERSION_TABLE, "compare_type": True, "include_object": ours}
    context = MigrationContext.configure(connection, opts=options)
    missing = missing_tables(connection)
    yield from (f"table {name} is missing" for name in missing)
    for difference in compare_metadata(context, Base.metadata):
        for step in difference if isinstance(difference, list) else [difference]:
            is_reworded = "comment" in step[0]  # by another version of this code; it changes nothing
            if not is_reworded and getattr(getattr(step[1], "table", step[1]), "name", None) not in missing:
                yield _described(step)


def _described(difference: tuple[Any, ...]) -> str:
    """One of Alembic's differences in words: what it would do to the database, and to what."""
    kind, *about = difference
    names = [getattr(each, "name", each) for each in about]
    return f"{kind.replace('_', ' ')}: {'.'.join(name for name in names if isinstance(name, str))}"


def _missing_checks(connection: Connection) -> Iterator[str]:
    from sqlalchemy import CheckConstraint

    found = inspect(connection)
    for table in Base.metadata.tables.values():
        wanted = {str(each.name) for each in table.constraints if isinstance(each, CheckConstraint)}
        if wanted and table.name not in missing_tables(connection):
            missing = wanted - {each["name"] for each in found.get_check_constraints(table.name)}
            yield from (f"check {name} is missing" for name in sorted(missing))


def _view_differences(connection: Connection) -> Iterator[str]:
    """What can be mended: the views of a database whose tables are there can be made again."""
    missing = missing_views(connection)
    altered = [] if missing_tables(connection) else altered_views(connection)
    yield from (f"view {name} is missing (`rlsweep db upgrade` makes it again)" for name in missing)
    yield from (f"view {name} is altered (`rlsweep db upgrade` makes it again)" for name in altered)


def leases(connection: Connection) -> Finding:
    """Whether what runs according to the trials also runs according to the attempts."""
    from db.store.leases import has_run_out

    running = Attempt.state == "running"
    newer = Attempt.number < Trial.attempts
    outdated = select(Attempt.trial_id).join(Trial, Trial.id == Attempt.trial_id).where(running, newer)
    unattended = select(Trial.id).where(
        Trial.state == "running", ~exists().where(Attempt.trial_id == Trial.id, running)
    )
    problems = [
        *(f"trial {i}: an attempt that was replaced is still running" for i in connection.scalars(outdated)),
        *(f"trial {i}: running, but none of its attempts is" for i in connection.scalars(unattended)),
    ]
    if problems:
        return _finding("leases", "", problems)
    num_running = connection.scalar(select(func.count()).select_from(Attempt).where(running)) or 0
    silent = connection.scalars(select(Attempt.trial_id).where(running, has_run_out())).all()
    if silent:
        shown = ", ".join(map(str, silent[:_SHOWN]))
        message = f"{len(silent)} attempts have given no sign of life (trials {shown}); the next submit takes over."
        return Finding("leases", Verdict.NOTE, message)
    return Finding("leases", Verdict.OK, f"{num_running} running attempts.")


def derived_values(connection: Connection) -> Finding:
    """Whether the progress kept with each trial is what the views say of its steps and evaluations."""
    problems = [
        f"{table} {row[0]}: {name} is {_word(row[1])}, should be {_word(row[2])}"
        for table, name, key, kept, true in (*_attempt_values(), *_trial_values())
        for row in connection.execute(select(key, kept, true).where(kept.is_distinct_from(true)))
    ]
    return _finding("derived values", "Progress kept with trials agrees with their steps.", problems)


_Value = tuple[str, str, ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]]


def _trial_values() -> Iterator[_Value]:
    from db.store.lineage import live_progress

    newest = select(func.max(Attempt.number)).where(Attempt.trial_id == Trial.id).correlate(Trial)
    true = {"attempts": func.coalesce(newest.scalar_subquery(), 0)} | live_progress()
    for name, value in true.items():
        yield "trial", name, Trial.__table__.c.id, Trial.__table__.c[name], value


def _attempt_values() -> Iterator[_Value]:
    """Imported attempts end where their file ended, which only the importer knows."""
    later = Attempt.__table__.alias("later")
    ends = select(func.min(later.c.resumed_from_step)).where(
        later.c.trial_id == Attempt.trial_id, later.c.number > Attempt.number
    )
    attempt = Attempt.__table__.c
    kept = attempt.live_through_step
    true = case((attempt.import_file_id.is_not(None), kept), else_=ends.correlate(Attempt).scalar_subquery())
    yield "attempt", "live_through_step", attempt.id, kept, true


def _word(value: object) -> str:
    return "NULL" if value is None else str(value)


def _finding(check: str, fine: str, problems: list[str]) -> Finding:
    if not problems:
        return Finding(check, Verdict.OK, fine)
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Finding(check, Verdict.WRONG, f"{'; '.join(problems[:_SHOWN])}{more}.")
