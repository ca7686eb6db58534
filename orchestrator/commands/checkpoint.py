"""`rlsweep checkpoint`: which checkpoints there are, whether they are whole, and deleting what nobody needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import ArtifactsOption, DatabaseOption, JsonOption, SweepArgument

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.checkpoints import CheckpointRow, TrialFiles
    from orchestrator.artifact_places import ArtifactPlaces
    from orchestrator.garbage import Found, Garbage

NAME = "checkpoint"

app = typer.Typer(help="Look after checkpoints: list, verify, and delete what nobody needs.", no_args_is_help=True)

_TrialOption = Annotated[
    int | None, typer.Option("--trial", metavar="T", help="Of this trial alone, by its number.", show_default=False)
]
_AllOption = Annotated[bool, typer.Option("--all", help="Of every trial in the database.")]


@app.command("ls")
def ls_command(
    sweep: SweepArgument = None,
    trial: _TrialOption = None,
    every: _AllOption = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Show those that are deleted, too.")] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List checkpoints: step, size, age, where each is and whether its files are there."""
    from db.checkpoints import checkpoints_of
    from db.reader import Reader
    from orchestrator.garbage import state_of
    from orchestrator.screens.checkpoint_page import checkpoint_console, print_checkpoints, row_as_json

    engine = _open(database)
    recorded = checkpoints_of(engine, _trial_ids(engine, sweep, trial=trial, every=every))
    rows = [(row, state_of(row)) for row in recorded if deleted or row.deleted_at is None]
    if as_json:
        typer.echo(json.dumps([row_as_json(row, state=state) for row, state in rows], indent=1))
        return
    now = Reader(engine).now()
    print_checkpoints(checkpoint_console(), rows, now=now, hidden=len(recorded) - len(rows))


@app.command("verify")
def verify_command(
    sweep: SweepArgument = None,
    trial: _TrialOption = None,
    every: _AllOption = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash every file of every checkpoint that is kept; exit code 1 if one is not as it was written."""
    from db.checkpoints import checkpoints_of
    from orchestrator.screens.checkpoint_page import checkpoint_console, print_verdict, row_as_json

    engine = _open(database)
    recorded = checkpoints_of(engine, _trial_ids(engine, sweep, trial=trial, every=every))
    rows = [row for row in recorded if row.deleted_at is None]
    console = checkpoint_console()
    found = []
    for row, problem in _verified(rows):
        found.append(row_as_json(row, problem=problem))
        if not as_json:
            print_verdict(console, row, problem)  # at once: a large one takes minutes
    bad = sum(each["problem"] is not None for each in found)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        console.print(f"{len(found) - bad:,} of {len(found):,} checkpoints are whole.")
    if bad:
        raise typer.Exit(1)


@app.command("gc")
def gc_command(
    sweep: SweepArgument = None,
    trial: _TrialOption = None,
    every: _AllOption = False,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="K",
            min=0,
            help="Newest ones that a finished trial keeps, beside milestones.  [default: as in the sweep file]",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    artifacts: ArtifactsOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what nobody needs: deleted by the database's word, left by dead attempts, beyond what is kept.

    Never anything of a trial that may be running, nor a milestone, nor what an unfinished trial goes on from.
    """
    from db.checkpoints import trial_files
    from orchestrator.artifact_places import artifact_places
    from orchestrator.screens.checkpoint_page import checkpoint_console, garbage_as_json, print_garbage

    engine = _open(database)
    places = artifact_places(artifacts, engine.url)
    numbers = _trial_ids(engine, sweep, trial=trial, every=every)
    # Before the rows are read: only then are all that an ended attempt recorded among them.
    ended = {number for number in numbers if _has_told_its_end(engine, number)}
    trials = trial_files(engine, numbers)
    garbage = {
        each.trial_id: list(_garbage(engine, each, _found(each, places, is_ended=each.trial_id in ended), keep))
        for each in trials
    }
    found = [each for of_trial in garbage.values() for each in of_trial]
    console = checkpoint_console()
    if not as_json:
        if found:
            print_garbage(console, found)
        else:
            console.print("There is nothing to delete.")
    if not dry_run and found:
        _ask(len(found), yes=yes)
        for each in trials:
            if garbage[each.trial_id] and not _collected(engine, each, garbage[each.trial_id]):
                found = [one for one in found if one.trial_id != each.trial_id]
    if as_json:
        told = [garbage_as_json(each) for each in found]
        typer.echo(json.dumps({"deleted": not dry_run, "garbage": told}, indent=1))
    elif not dry_run and found:
        console.print(f"Deleted {len(found):,}.")


def _open(database: str | None) -> Engine:
    from db.database import open_database, resolve_url

    return open_database(resolve_url(database), create=False)


def _trial_ids(engine: Engine, sweep: str | None, *, trial: int | None, every: bool) -> list[int]:
    """The trials that a command is about. SpecError if it is told in two ways, DatabaseError if there is none."""
    from db.checkpoints import native_trials
    from db.errors import SpecError
    from db.reader import Reader

    if (sweep is not None) + (trial is not None) + every > 1:
        raise SpecError("Name a sweep, or --trial, or --all: one of them.")
    if every:
        return native_trials(engine)
    reader = Reader(engine)
    if trial is not None:
        return [int(reader.trial(trial)["id"])]
    return [row.trial_id for row in reader.trials(reader.sweep(sweep).id)]


def _verified(rows: Sequence[CheckpointRow]) -> Iterator[tuple[CheckpointRow, str | None]]:
    """Each with what is wrong with it, if something is."""
    from db.errors import CheckpointError
    from workers.checkpointing.saving import verify_checkpoint

    for row in rows:
        try:
            verify_checkpoint(row.uri, row.manifest_sha256)
        except CheckpointError as error:
            yield row, str(error)
        else:
            yield row, None


def _has_told_its_end(engine: Engine, trial_id: int) -> bool:
    """Whether the trial's last attempt recorded how it ended, which it records last.

    The trial's own state does not tell: one whose attempt was lost may be planned anew, or have failed by it.
    """
    from db.reader import Reader
    from db.states import AttemptState

    attempts = Reader(engine).attempts(trial_id)
    return bool(attempts) and attempts[-1]["state"] not in (AttemptState.RUNNING, AttemptState.LOST)


def _garbage(engine: Engine, trial: TrialFiles, found: Found, keep: int | None) -> Iterator[Garbage]:
    from orchestrator.garbage import garbage_of

    kept = _kept(engine, trial.trial_id) if keep is None else keep
    yield from garbage_of(trial, found, keep=kept)


def _found(trial: TrialFiles, places: ArtifactPlaces, *, is_ended: bool) -> Found:
    """What lies where the trial's checkpoints go now, and where its rows say that some went before.

    No other folder is looked into, whatever a row says. `is_ended`: no record of the trial is still to come.
    """
    from pathlib import Path

    from orchestrator.garbage import Found
    from workers.checkpointing.saving import checkpoints_in, is_url
    from workers.checkpointing.staging import staging_folders

    folder = places.folder.trial(trial.science_hash)
    place = places.checkpoints(trial.science_hash)
    named = {row.uri.rpartition("/")[0] for row in trial.checkpoints}
    before = {each for each in named if each.endswith(f"/trials/{folder.name}/checkpoints")}
    uris = [uri for each in sorted(before | {place}) for uri in checkpoints_in(each)]
    # An attempt keeps its spool and its staging beside the folder of its checkpoints. If these go to a store, both are
    # in a folder of the attempt's machine that no row names.
    beside = sorted({folder.resolve()} | {Path(each).parent.resolve() for each in before if not is_url(each)})
    return Found(
        uris=uris,
        staging=[staging for each in beside for staging in staging_folders(each)],
        is_waited_for=any(any((each / "spool").glob("*")) for each in beside)
        or (any(map(is_url, before | {place})) and not is_ended),
    )


def _kept(engine: Engine, trial_id: int) -> int:
    """The most that any of its sweeps lets the trial keep."""
    from db.checkpoints import sweeps_specs
    from workers.spec import TrialSpec

    specs = sweeps_specs(engine, trial_id)
    return max((TrialSpec.model_validate(spec).execution.checkpoints_kept for spec in specs), default=1)


def _ask(count: int, *, yes: bool) -> None:
    """Go on only if a person, or --yes, says so."""
    import sys

    from db.errors import SpecError

    if yes:
        return
    if not sys.stdin.isatty():
        raise SpecError("Say --yes to delete, or --dry-run to look only: there is nobody here to ask.")
    typer.confirm(f"Delete {'this' if count == 1 else f'these {count:,}'}?", abort=True)


def _collected(engine: Engine, trial: TrialFiles, garbage: Sequence[Garbage]) -> bool:
    from orchestrator.garbage import collect

    done = collect(engine, trial, garbage)
    if not done:
        typer.echo(f"Trial {trial.trial_id} was started meanwhile; nothing of it was deleted.", err=True)
    return done
