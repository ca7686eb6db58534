"""`rlsweep db`: which revision a database is at, bringing it up to date, a copy of it, and whether it is in order."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.ending import ending_tidily
from orchestrator.commands.options import DatabaseOption, JsonOption

if TYPE_CHECKING:
    from sqlalchemy import Engine

NAME = "db"
EXIT_NEEDS_UPGRADE = 5

app = typer.Typer(help="Look after the database: its revision, upgrades, backups, checks.", no_args_is_help=True)


@app.command()
def current(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show the revision of the database and that of this rlsweep; exit code 5 if they differ."""
    from db.connection.explanations import explained
    from db.connection.urls import shown
    from db.upkeep.revisions import HEAD_REVISION, is_older, read_revision

    engine = _look_at(database)
    with explained(engine.url), engine.connect() as connection:
        revision = read_revision(connection)
    answer = {"database": shown(engine.url), "revision": revision, "code_revision": HEAD_REVISION}
    here = f"revision {revision}" if revision else "empty"
    lines = [f"{shown(engine.url)}: {here}; this rlsweep: {HEAD_REVISION}."]
    if revision is not None and is_older(revision):
        lines.append("Bring it up to date with `rlsweep db upgrade`.")
    _print(answer, lines, as_json=as_json)
    if revision not in (None, HEAD_REVISION):
        raise typer.Exit(EXIT_NEEDS_UPGRADE)


@app.command()
def upgrade(
    database: DatabaseOption = None,
    backup: Annotated[bool, typer.Option("--backup/--no-backup", help="Make a backup first.")] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Upgrade even if trials are running: they stop, to be submitted again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the database's tables up to date with this rlsweep, all or nothing, after a backup.

    Views that are missing or altered are made again; they hold no data.
    """
    from db.connection.urls import shown
    from db.upkeep.migrate import upgrade as run_upgrade

    engine = _connect(database)
    with ending_tidily():
        done = run_upgrade(engine, backup=backup, force=force)
    if done.views:
        lines = [f"{shown(engine.url)} is at revision {done.after}. Views made again: {', '.join(done.views)}."]
    elif done.before == done.after:
        lines = [f"{shown(engine.url)} is at revision {done.after}; there is nothing to do."]
    else:
        lines = [f"{shown(engine.url)}: {done.before or 'empty'} -> {done.after}."]
    if done.backup is not None:
        lines.append(f"Backup: {done.backup}")
    _print(asdict(done), lines, as_json=as_json)


@app.command()
def backup(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to, as --output.", show_default=False)
    ] = None,
    database: DatabaseOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to; never overwritten.  [default: named after revision and time]",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the whole database as it is now; trials may go on meanwhile."""
    from db.errors import SpecError
    from db.upkeep.backup import back_up, restoring

    if file is not None and output is not None:
        raise SpecError("Name the backup's file once: as FILE or with --output.")
    engine = _look_at(database)
    with ending_tidily():
        target = back_up(engine, file or output)
    size = target.stat().st_size
    lines = [f"Backup: {target} ({size:,} bytes)", *restoring(engine, target)]
    _print({"backup": target, "bytes": size}, lines, as_json=as_json)


@app.command()
def check(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Check the database: revision, tables, rows, leases, and the progress kept with trials."""
    from db.upkeep.health import Verdict, examine

    findings = examine(_look_at(database))
    lines = [f"{finding.verdict:<5}  {finding.check}: {finding.message}" for finding in findings]
    _print([asdict(finding) for finding in findings], lines, as_json=as_json)
    wrong = [finding.check for finding in findings if finding.verdict is Verdict.WRONG]
    if wrong:
        raise typer.Exit(EXIT_NEEDS_UPGRADE if "revision" in wrong else 1)


def _look_at(database: str | None) -> Engine:
    """For what writes nothing: the database may lie on a read-only share."""
    from db.database import resolve_url
    from db.querying.readonly import open_to_inspect

    return open_to_inspect(resolve_url(database))


def _connect(database: str | None) -> Engine:
    from db.connection.engines import connect
    from db.database import resolve_url

    return connect(resolve_url(database))


def _print(answer: Any, lines: list[str], *, as_json: bool) -> None:
    typer.echo(json.dumps(answer, indent=1, default=str) if as_json else "\n".join(lines))
