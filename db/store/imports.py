"""Keeping runs that other programs recorded: each a trial of an imported sweep, each file that adds to it an attempt.

Importing what is there already changes nothing, whichever file it comes from; a run that has grown is extended; one
whose values differ is refused, or replaced when asked to, and then the old rows stay but count no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, text, update

from db.database import begin_write
from db.errors import SpecError
from db.records import ImportedFile, ImportedRun, ModelRecord
from db.states import AttemptState, TrialState
from db.store import lineage
from db.store.import_outcome import Contradiction, ImportOutcome, RunOutcome, refusal
from db.store.import_rows import Comparison, compare, insert_rows
from db.tables import Attempt, Evaluation, ImportFile, Model, Step, Sweep, SweepTrial, Trial
from db.types import database_now
from db.views import live_evaluation, live_step

_FACTS = (
    "data", "algorithm", "seed", "group_size", "prompts_per_step", "updates_per_step", "learning_rate",
    "kl_coefficient", "tau",
)  # fmt: skip
_AXES = ("seed", "tau", "group_size", "learning_rate", "data", "algorithm")
_OF_MODEL = ("num_params", "total_params", "nominal_params", "family", "variant")


class ImportStore:
    """Writes imported runs. See the package's docstring for the contract."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(
        self,
        file: ImportedFile,
        *,
        sweep: str,
        runs: Iterable[ImportedRun],
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportOutcome:
        """Keep the runs of one file; see `save_all`."""
        (outcome,) = self.save_all([(file, runs)], sweep=sweep, replace=replace, dry_run=dry_run)
        return outcome

    def save_all(
        self,
        files: Sequence[tuple[ImportedFile, Iterable[ImportedRun]]],
        *,
        sweep: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> list[ImportOutcome]:
        """Keep the runs of several files, all or none, as runs of the imported sweep of that name.

        A dry run writes and takes it back, and reports contradictions instead of raising. SpecError when stored
        values differ and `replace` is false, or when the sweep was submitted to run here.
        """
        with begin_write(self._engine) as connection:
            is_known = _sweep_id(connection, sweep) is not None
            importer = _Importer(connection, sweep, replace=replace)
            outcomes = [importer.keep(file, runs) for file, runs in files]
            found = [each for outcome in outcomes for run in outcome.runs for each in run.contradictions]
            if dry_run:
                connection.get_transaction().rollback()
                return [outcome if is_known else ImportOutcome(None, outcome.runs) for outcome in outcomes]
            if found:
                raise SpecError(refusal(sweep, found))
        return outcomes


class _Importer:
    """One transaction's import into one sweep."""

    def __init__(self, connection: Connection, sweep: str, *, replace: bool) -> None:
        self._connection = connection
        self._sweep = sweep
        self._replace = replace
        _lock(connection, sweep)
        self._sweep_id = _imported_sweep(connection, sweep)
        last = select(func.coalesce(func.max(SweepTrial.position), -1)).where(SweepTrial.sweep_id == self._sweep_id)
        self._next_position = 1 + connection.execute(last).scalar_one()
        self._models: dict[tuple[Any, ...], int] = {}

    def keep(self, file: ImportedFile, runs: Iterable[ImportedRun]) -> ImportOutcome:
        outcomes = tuple(self._keep_run(file, run) for run in runs)
        if any(each.num_steps or each.num_evaluations for each in outcomes):
            self._connection.execute(
                update(Sweep).where(Sweep.id == self._sweep_id).values(submitted_at=database_now())
            )
        return ImportOutcome(self._sweep_id, outcomes)

    def _keep_run(self, file: ImportedFile, run: ImportedRun) -> RunOutcome:
        science_hash = _science_hash(self._sweep, run.name)
        trial = self._connection.execute(select(Trial.__table__).where(Trial.science_hash == science_hash)).first()
        if trial is None:
            return self._write_all(file, run, self._new_trial(file, run, science_hash), attempts=0)
        found = compare(self._connection, trial.id, run)
        found.contradictions[:0] = self._changed_facts(trial, run)
        if found.contradictions and self._replace:
            changed = self._facts(run, trial) | {"science": _science(self._sweep, run)}
            self._connection.execute(update(Trial).where(Trial.id == trial.id).values(changed))
            return self._write_all(file, run, trial.id, attempts=trial.attempts)
        if found.contradictions:
            return RunOutcome(run.name, "conflicting", contradictions=tuple(found.contradictions))
        return self._extend(file, run, trial, found)

    def _write_all(self, file: ImportedFile, run: ImportedRun, trial_id: int, *, attempts: int) -> RunOutcome:
        """Write every row of a run under an attempt of its own; earlier ones count no more."""
        number = self._new_attempt(file, trial_id, attempts)
        lineage.end_earlier_attempts(self._connection, trial_id=trial_id, number=number, live_through_step=-1)
        steps = insert_rows(self._connection, Step, run.steps, trial_id=trial_id, attempt=number)
        scores = insert_rows(self._connection, Evaluation, run.evaluations, trial_id=trial_id, attempt=number)
        _keep_progress(self._connection, trial_id, attempts=number)
        return RunOutcome(run.name, "replaced" if attempts else "new", steps, scores)

    def _extend(self, file: ImportedFile, run: ImportedRun, trial: Row[Any], found: Comparison) -> RunOutcome:
        if not found.steps and not found.evaluations:
            return RunOutcome(run.name, "unchanged")
        own = 0 in found.steps or 0 in found.evaluations
        number = self._new_attempt(file, trial.id, trial.attempts) if own else trial.attempts
        num_steps = num_evaluations = 0
        for home, steps in found.steps.items():
            num_steps += insert_rows(self._connection, Step, steps, trial_id=trial.id, attempt=home or number)
        for home, scores in found.evaluations.items():
            num_evaluations += insert_rows(
                self._connection, Evaluation, scores, trial_id=trial.id, attempt=home or number
            )
        _keep_progress(self._connection, trial.id, attempts=number)
        return RunOutcome(run.name, "extended", num_steps, num_evaluations)

    def _new_trial(self, file: ImportedFile, run: ImportedRun, science_hash: str) -> int:
        facts = self._facts(run, None)
        values = facts | {"science_hash": science_hash, "origin": file.format, "science": _science(self._sweep, run)}
        values |= {"state": TrialState.SUCCEEDED, "finished_at": database_now()}
        trial_id = int(self._connection.execute(insert(Trial).values(values).returning(Trial.id)).scalar_one())
        axes = {"model": run.model.name} | {
            name: getattr(run, name) for name in _AXES if getattr(run, name) is not None
        }
        membership = {"sweep_id": self._sweep_id, "trial_id": trial_id, "position": self._next_position, "axes": axes}
        self._connection.execute(insert(SweepTrial).values(membership))
        self._next_position += 1
        return trial_id

    def _new_attempt(self, file: ImportedFile, trial_id: int, attempts: int) -> int:
        values = {
            "trial_id": trial_id, "number": attempts + 1, "sweep_id": self._sweep_id, "state": AttemptState.SUCCEEDED,
            "import_file_id": _file_id(self._connection, file), "ended_at": database_now(),
        }  # fmt: skip
        self._connection.execute(insert(Attempt).values(values))
        return attempts + 1

    def _facts(self, run: ImportedRun, trial: Row[Any] | None) -> dict[str, Any]:
        """The trial's columns; what the run does not say stays as it is stored."""
        given = {name: getattr(run, name) for name in _FACTS}
        kept = {name: getattr(trial, name) if trial and value is None else value for name, value in given.items()}
        return kept | {"model": run.model.name, "model_id": self._model_id(run.model)}

    def _model_id(self, model: ModelRecord) -> int:
        key = (model.name, model.num_params, model.variant)
        if key not in self._models:
            same = [
                Model.weights_sha256.is_(None), Model.name == model.name,
                Model.num_params.is_not_distinct_from(model.num_params),
                Model.variant.is_not_distinct_from(model.variant),
            ]  # fmt: skip
            known = self._connection.scalar(select(func.min(Model.id)).where(*same))
            if known is None:
                known = self._connection.execute(insert(Model).values(asdict(model)).returning(Model.id)).scalar_one()
            self._models[key] = int(known)
        return self._models[key]

    def _changed_facts(self, trial: Row[Any], run: ImportedRun) -> list[Contradiction]:
        model = self._connection.execute(select(Model.__table__).where(Model.id == trial.model_id)).one()
        pairs = [(name, getattr(trial, name), getattr(run, name)) for name in _FACTS]
        pairs += [("model", trial.model, run.model.name)]
        pairs += [(name, getattr(model, name), getattr(run.model, name)) for name in _OF_MODEL]
        return [Contradiction(run.name, None, name, old, new) for name, old, new in pairs if new not in (None, old)]


def _lock(connection: Connection, sweep: str) -> None:
    """Let one import into a sweep wait for another; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"rlsweep import {sweep}".encode()).digest()[:8], "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _sweep_id(connection: Connection, name: str) -> int | None:
    return connection.scalar(select(Sweep.id).where(Sweep.name == name))


def _imported_sweep(connection: Connection, name: str) -> int:
    known = connection.execute(select(Sweep.id, Sweep.source).where(Sweep.name == name)).first()
    if known is None:
        values = {"name": name, "overrides": [], "caveats": []}
        return int(connection.execute(insert(Sweep).values(values).returning(Sweep.id)).scalar_one())
    if known.source is not None:
        raise SpecError(
            f"Sweep {name!r} was submitted to run here; its trials are not mixed with imported ones. "
            "Choose another name with --sweep."
        )
    return int(known.id)


def _file_id(connection: Connection, file: ImportedFile) -> int:
    """The file's number; it is known by its content, whatever its path."""
    same = [ImportFile.sha256 == file.sha256, ImportFile.format == file.format]
    known = connection.scalar(select(ImportFile.id).where(*same))
    if known is None:
        values = asdict(file) | {"rlsweep_version": version("rlsweep")}
        known = connection.execute(insert(ImportFile).values(values).returning(ImportFile.id)).scalar_one()
    return int(known)


def _science(sweep: str, run: ImportedRun) -> dict[str, Any]:
    facts = {name: getattr(run, name) for name in _FACTS} | {name: getattr(run.model, name) for name in _OF_MODEL}
    given = {name: value for name, value in facts.items() if value is not None}
    return {"sweep": sweep, "run": run.name, "model": run.model.name} | given


def _science_hash(sweep: str, run: str) -> str:
    canonical = json.dumps({"run": run, "sweep": sweep}, sort_keys=True, separators=(",", ":"))
    return f"import:v1:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _keep_progress(connection: Connection, trial_id: int, *, attempts: int) -> None:
    """Repeat with the trial how far its live lineage has come, and its first and last score."""
    steps, scores = live_step.c, live_evaluation.c
    last = connection.execute(
        select(live_step).where(steps.trial_id == trial_id).order_by(steps.step.desc()).limit(1)
    ).first()
    scored = select(scores.step, scores.benchmark, scores.protocol, scores.score).where(scores.trial_id == trial_id)
    first = connection.execute(scored.order_by(scores.step, scores.id).limit(1)).first()
    values: dict[str, Any] = {"attempts": attempts}
    if first is not None:
        same = scored.where(scores.benchmark == first.benchmark, scores.protocol == first.protocol)
        final = connection.execute(same.order_by(scores.step.desc(), scores.id.desc()).limit(1)).one()
        values |= {"headline_benchmark": first.benchmark, "headline_protocol": first.protocol}
        values |= {"first_score": first.score, "last_score": final.score, "reached_step": final.step}
    if last is not None:
        values |= {
            f"reached_{name}": getattr(last, f"cumulative_{name}") for name in ("samples", "tokens", "flops", "seconds")
        }
        values["reached_step"] = max(last.step, values.get("reached_step", 0))
    connection.execute(update(Trial).where(Trial.id == trial_id).values(**values))
