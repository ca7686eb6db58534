"""Recording a sweep and the trials that it expands to; those that are there already are shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, Engine, bindparam, delete, insert, select, update

from db.connection.engines import begin_write
from db.connection.locks import hold
from db.errors import SpecError
from db.records import PlannedTrial, SweepRecord
from db.store.locking import chunks
from db.store.values import stored
from db.tables import Sweep, SweepTrial, Trial
from db.types import database_now

_SWEEP_TRIAL_COLUMNS = ("axes", "spec", "budget_unit", "budget_last", "planned_flops", "planned_gpu_hours")


@dataclass(frozen=True)
class Registration:
    """A sweep after `submit`: trial ids in order of expansion, and how the trials differ from the last time."""

    sweep_id: int
    trial_ids: tuple[int, ...]
    new: tuple[int, ...]
    unchanged: tuple[int, ...]
    removed: tuple[int, ...]


def register(engine: Engine, sweep: SweepRecord, trials: Sequence[PlannedTrial]) -> Registration:
    """Record a sweep and its trials; trials that exist already, in any sweep, are shared.

    A trial that left the sweep keeps its results; only its membership ends.
    """
    with begin_write(engine) as connection:
        hold(connection, "register")
        sweep_id = _upsert_sweep(connection, sweep)
        ids = _insert_missing_trials(connection, trials)
        before = set(connection.scalars(select(SweepTrial.trial_id).where(SweepTrial.sweep_id == sweep_id)))
        now = [ids[trial.science_hash] for trial in trials]
        connection.execute(delete(SweepTrial).where(SweepTrial.sweep_id == sweep_id))
        if trials:
            connection.execute(insert(SweepTrial), _memberships(sweep_id, trials, ids))
    return Registration(
        sweep_id=sweep_id,
        trial_ids=tuple(now),
        new=tuple(i for i in now if i not in before),
        unchanged=tuple(i for i in now if i in before),
        removed=tuple(sorted(before - set(now))),
    )


def _upsert_sweep(connection: Connection, sweep: SweepRecord) -> int:
    values = stored(Sweep, vars(sweep)) | {"submitted_at": database_now()}
    known = connection.execute(select(Sweep.id, Sweep.source).where(Sweep.name == sweep.name)).first()
    if known is None:
        return int(connection.execute(insert(Sweep).values(values).returning(Sweep.id)).scalar_one())
    if known.source is None:
        raise SpecError(f"The name {sweep.name!r} is taken by imported runs in this database; give the sweep another.")
    connection.execute(update(Sweep).where(Sweep.id == known.id).values(values))
    return int(known.id)


def _insert_missing_trials(connection: Connection, trials: Sequence[PlannedTrial]) -> dict[str, int]:
    """Science hash -> trial id, for all trials, in at most three statements whatever their number."""
    hashes = [trial.science_hash for trial in trials]
    known = _ids_by_hash(connection, hashes)
    # A sweep never names a trial twice (expansion refuses it), so one row a missing hash is enough.
    missing = [_trial_row(trial) for trial in trials if trial.science_hash not in known]
    if missing:
        connection.execute(insert(Trial), missing)
        known = _ids_by_hash(connection, hashes)
    return known


def _ids_by_hash(connection: Connection, hashes: Sequence[str]) -> dict[str, int]:
    # Literally in the statement: PostgreSQL compares a row with hundreds of bound values one after the other, but
    # looks it up among literal ones.
    these: BindParameter[str] = bindparam("hashes", expanding=True, literal_execute=True)
    statement = select(Trial.science_hash, Trial.id).where(Trial.science_hash.in_(these))
    found: dict[str, int] = {}
    for chunk in chunks(hashes):
        found |= {row.science_hash: row.id for row in connection.execute(statement, {"hashes": chunk})}
    return found


def _trial_row(trial: PlannedTrial) -> dict[str, object]:
    values = {name: value for name, value in vars(trial).items() if name not in _SWEEP_TRIAL_COLUMNS}
    return stored(Trial, values)


def _memberships(sweep_id: int, trials: Sequence[PlannedTrial], ids: dict[str, int]) -> list[dict[str, object]]:
    return [
        {"sweep_id": sweep_id, "trial_id": ids[trial.science_hash], "position": position}
        | stored(SweepTrial, {column: getattr(trial, column) for column in _SWEEP_TRIAL_COLUMNS})
        for position, trial in enumerate(trials)
    ]
