"""What is read from the database, as plain rows; nothing here writes.

Queries go through the views wherever one answers: an analyst who selects from a view sees what the tool sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import starmap
from typing import Any

from sqlalchemy import Engine, RowMapping, func, select

from db.errors import DatabaseError
from db.states import TrialState
from db.store.leases import GRACE_SECONDS
from db.tables import Attempt, Sweep, SweepTrial, Trial
from db.types import database_now, leases_end_before
from db.views import flop_ledger, learning_curve, live_checkpoint, live_step, trial_status


@dataclass(frozen=True)
class LiveCheckpoint:
    """A checkpoint that the trial's next attempt may continue from."""

    step: int
    uri: str
    manifest_sha256: str
    is_milestone: bool


@dataclass(frozen=True)
class SweepRow:
    """A sweep as last submitted, with the number of its trials in each state."""

    id: int
    name: str
    question: str | None
    caveats: list[str]
    fit_settings: dict[str, Any] | None
    submitted_at: datetime
    trials: dict[str, int]


@dataclass(frozen=True)
class DriverRow:
    """The process that launches a sweep's trials; `is_alive`: its lease has not run out. The last two outlive it."""

    host: str | None
    pid: int | None
    is_alive: bool
    cluster: str | None
    job: str | None


@dataclass(frozen=True)
class TrialRow:
    """A trial of a sweep, as far as it has come. Losses are of its first and its last evaluation."""

    sweep_id: int
    trial_id: int
    position: int
    model: str
    seed: int | None
    state: str
    hold: str | None
    priority: int
    num_params: int | None
    attempt: int | None
    attempt_state: str | None
    phase: str | None
    phase_detail: str | None
    started_at: datetime | None
    ended_at: datetime | None
    lease_expires_at: datetime | None
    failure_class: str | None
    outcome: str | None
    message: str | None
    step: int
    budget_unit: str | None
    budget_last: float | None
    spent: float | None
    train_seconds: float | None
    first_loss: float | None
    last_loss: float | None
    axes: dict[str, Any]

    @property
    def share(self) -> float | None:
        """Share of the budget that is used, at most 1; None for an imported run, which has no budget."""
        if self.budget_last is None or self.spent is None:
            return None
        return min(1.0, self.spent / self.budget_last)


# In the order of a row's fields; the last one, the axes, is not in the view.
_STATUS_COLUMNS = [each.name for each in fields(TrialRow)][:-1]


class Reader:
    """Reads one database. Every method is one short read transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def sweeps(self) -> list[SweepRow]:
        """All sweeps, the latest submission first."""
        counting = (
            select(SweepTrial.sweep_id, Trial.state, func.count())
            .join(Trial, Trial.id == SweepTrial.trial_id)
            .group_by(SweepTrial.sweep_id, Trial.state)
        )
        listing = select(
            Sweep.id, Sweep.name, Sweep.question, Sweep.caveats, Sweep.fit_settings, Sweep.submitted_at
        ).order_by(Sweep.submitted_at.desc(), Sweep.id.desc())
        with self._engine.connect() as connection:
            found = connection.execute(listing).all()
            counts: dict[int, dict[str, int]] = {}
            for sweep_id, state, number in connection.execute(counting):
                counts.setdefault(sweep_id, {})[state] = number
        return [SweepRow(**row._mapping, trials=counts.get(row.id, {})) for row in found]

    def sweep(self, name: str | None) -> SweepRow:
        """The sweep of that name, or the last one submitted. DatabaseError naming the known ones if there is none."""
        known = self.sweeps()
        if not known:
            raise DatabaseError("This database holds no sweep yet. Submit one: rlsweep submit SWEEP.yaml")
        if name is None:
            return known[0]
        for sweep in known:
            if sweep.name == name:
                return sweep
        names = ", ".join(sorted(sweep.name for sweep in known))
        raise DatabaseError(f"There is no sweep {name!r} in this database; known: {names}.")

    def trials(self, sweep_id: int) -> list[TrialRow]:
        """The trials of a sweep, in order of expansion."""
        statement = (
            select(*(trial_status.c[name] for name in _STATUS_COLUMNS), SweepTrial.axes)
            .join(
                SweepTrial,
                (SweepTrial.sweep_id == trial_status.c.sweep_id) & (SweepTrial.trial_id == trial_status.c.trial_id),
            )
            .where(trial_status.c.sweep_id == sweep_id)
            .order_by(trial_status.c.position)
        )
        with self._engine.connect() as connection:
            return list(starmap(TrialRow, connection.execute(statement)))

    def num_succeeded(self, science_hashes: Sequence[str]) -> int:
        """How many of these trials have succeeded."""
        with self._engine.connect() as connection:
            done = set(connection.scalars(select(Trial.science_hash).where(Trial.state == TrialState.SUCCEEDED)))
        return len(done & set(science_hashes))

    def is_draining(self, sweep_id: int) -> bool:
        """Whether the sweep was asked to stop."""
        with self._engine.connect() as connection:
            return connection.scalar(select(Sweep.drain_requested_at).where(Sweep.id == sweep_id)) is not None

    def driver(self, sweep_id: int) -> DriverRow:
        """What launches the sweep's trials, or last did."""
        is_alive = Sweep.driver_lease_expires_at >= leases_end_before(GRACE_SECONDS)
        columns = (Sweep.driver_host, Sweep.driver_pid, is_alive, Sweep.driver_cluster, Sweep.driver_job)
        with self._engine.connect() as connection:
            host, pid, alive, cluster, job = connection.execute(select(*columns).where(Sweep.id == sweep_id)).one()
        return DriverRow(host, pid, bool(alive), cluster, job)

    def trial(self, trial_id: int) -> dict[str, Any]:
        """The trial's own row. DatabaseError if there is none."""
        with self._engine.connect() as connection:
            row = connection.execute(select(*Trial.__table__.columns).where(Trial.id == trial_id)).mappings().first()
        if row is None:
            raise DatabaseError(f"There is no trial {trial_id} in this database; `rlsweep status` lists them.")
        return dict(row)

    def spec(self, *, sweep_id: int, trial_id: int) -> dict[str, Any]:
        """The resolved specification under which a sweep wants a trial run."""
        statement = select(SweepTrial.spec).where(SweepTrial.sweep_id == sweep_id, SweepTrial.trial_id == trial_id)
        with self._engine.connect() as connection:
            spec = connection.execute(statement).scalar_one()
        assert spec is not None, f"trial {trial_id} was imported and is never run"
        return dict(spec)

    def curve(self, trial_ids: Sequence[int]) -> list[RowMapping]:
        """Every live evaluation of the trials, by trial and step: the rows of the view `learning_curve`."""
        statement = (
            select(learning_curve)
            .where(learning_curve.c.trial_id.in_(trial_ids))
            .order_by(learning_curve.c.trial_id, learning_curve.c.step, learning_curve.c.evaluation_id)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def live_evaluations(self, trial_id: int, *, step: int) -> list[tuple[str, str]]:
        """(benchmark, protocol) of what has been scored at `step` of a trial."""
        return [(row["benchmark"], row["protocol"]) for row in self.curve([trial_id]) if row["step"] == step]

    def live_checkpoints(self, trial_id: int) -> list[LiveCheckpoint]:
        """A trial's checkpoints, the newest first."""
        columns = live_checkpoint.c
        statement = (
            select(columns.step, columns.uri, columns.manifest_sha256, columns.is_milestone)
            .where(columns.trial_id == trial_id)
            .order_by(columns.step.desc(), columns.attempt.desc())
        )
        with self._engine.connect() as connection:
            return [
                LiveCheckpoint(row.step, row.uri, row.manifest_sha256, bool(row.is_milestone))
                for row in connection.execute(statement)
            ]

    def live_steps(self, trial_id: int, columns: Sequence[str]) -> list[RowMapping]:
        """Those columns of a trial's steps, in order."""
        statement = (
            select(*(live_step.c[name] for name in columns))
            .where(live_step.c.trial_id == trial_id)
            .order_by(live_step.c.step)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def attempts(self, trial_id: int) -> list[RowMapping]:
        """All attempts at a trial, the first one first."""
        statement = select(*Attempt.__table__.columns).where(Attempt.trial_id == trial_id).order_by(Attempt.number)
        with self._engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def attempt_costs(self, trial_id: int) -> list[RowMapping]:
        """What the attempts at a trial cost, in the same order: rows of `flop_ledger`."""
        statement = select(flop_ledger).where(flop_ledger.c.trial_id == trial_id).order_by(flop_ledger.c.attempt)
        with self._engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def now(self) -> datetime:
        """The database's clock."""
        with self._engine.connect() as connection:
            return connection.execute(select(database_now())).scalar_one()
