"""Keeping runs that other programs recorded: each a trial of an imported sweep, each file that adds to it an attempt.

Importing what is there already changes nothing, whichever file it comes from; a run that has grown is extended; what
was not known of a run as a whole is filled in; one whose values differ is refused, or replaced when asked to: then
what the file speaks of is the file's (see `import_replacement`), and the old rows stay but count no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from db.connection.engines import begin_write
from db.connection.explanations import explained
from db.connection.locks import hold
from db.errors import SpecError
from db.records import ImportedFile, ImportedRun, ModelRecord
from db.states import AttemptState, TrialState
from db.store import lineage
from db.store.import_models import OF_MODEL, completed, model_id
from db.store.import_outcome import Contradiction, ImportOutcome, RunOutcome, refusal
from db.store.import_progress import keep_progress
from db.store.import_replacement import replacement
from db.store.import_rows import Comparison, compare, insert_rows
from db.tables import Attempt, Evaluation, ImportFile, Model, Step, Sweep, SweepTrial, Trial
from db.types import database_now

_FACTS = (
    "data", "algorithm", "seed", "group_size", "prompts_per_step", "updates_per_step", "learning_rate",
    "kl_coefficient", "tau",
)  # fmt: skip
_AXES = ("seed", "tau", "group_size", "learning_rate", "data", "algorithm")


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
        values differ and `replace` is false, or when the sweep was submitted to run here; DatabaseError when the
        database fails.
        """
        with explained(self._engine.url), begin_write(self._engine) as connection:
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
        # Files and models are shared among sweeps, so imports into different ones take turns as well.
        hold(connection, "import")
        self._sweep_id = _imported_sweep(connection, sweep)
        last = select(func.coalesce(func.max(SweepTrial.position), -1)).where(SweepTrial.sweep_id == self._sweep_id)
        self._next_position = 1 + connection.execute(last).scalar_one()
        self._models: dict[ModelRecord, int] = {}

    def keep(self, file: ImportedFile, runs: Iterable[ImportedRun]) -> ImportOutcome:
        outcomes = tuple(self._keep_run(file, run) for run in runs)
        if any(each.num_steps or each.num_evaluations or each.filled for each in outcomes):
            self._connection.execute(
                update(Sweep).where(Sweep.id == self._sweep_id).values(submitted_at=database_now())
            )
        return ImportOutcome(self._sweep_id, outcomes)

    def _keep_run(self, file: ImportedFile, run: ImportedRun) -> RunOutcome:
        science_hash = _science_hash(self._sweep, run.name)
        trial = self._connection.execute(select(Trial.__table__).where(Trial.science_hash == science_hash)).first()
        if trial is None:
            return self._write_all(file, run, self._new_trial(file, run, science_hash))
        found = compare(self._connection, trial.id, run)
        differing, filled = self._changed_facts(trial, run)
        found.contradictions[:0] = differing
        if found.contradictions and self._replace:
            return self._replace_run(file, run, trial)
        if found.contradictions:
            return RunOutcome(run.name, "conflicting", contradictions=tuple(found.contradictions))
        if filled:
            self._fill(run, trial, filled)
        outcome = self._extend(file, run, trial, found)
        return replace(outcome, change="extended", filled=filled) if filled else outcome

    def _replace_run(self, file: ImportedFile, run: ImportedRun, trial: Row[Any]) -> RunOutcome:
        of_other_model = OF_MODEL if trial.model != run.model.name else ()
        science = {name: value for name, value in trial.science.items() if name not in of_other_model}
        changed = self._facts(run, trial) | {"science": science | _science(self._sweep, run)}
        self._connection.execute(update(Trial).where(Trial.id == trial.id).values(changed))
        self._restate_axes(trial.id, _axes(run))
        merged = replacement(self._connection, trial.id, run)
        written = self._write_all(file, merged.run, trial.id, attempts=trial.attempts)
        return replace(
            written, change="replaced", lost_steps=merged.lost_steps, lost_evaluations=merged.lost_evaluations
        )

    def _write_all(self, file: ImportedFile, run: ImportedRun, trial_id: int, *, attempts: int = 0) -> RunOutcome:
        """Write every row of a run under an attempt of its own; earlier ones count no more."""
        number = self._new_attempt(file, trial_id, attempts)
        lineage.end_earlier_attempts(self._connection, trial_id=trial_id, number=number, live_through_step=-1)
        steps = insert_rows(self._connection, Step, run.steps, trial_id=trial_id, attempt=number)
        scores = insert_rows(self._connection, Evaluation, run.evaluations, trial_id=trial_id, attempt=number)
        keep_progress(self._connection, trial_id, attempts=number)
        return RunOutcome(run.name, "new", steps, scores)

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
        keep_progress(self._connection, trial.id, attempts=number)
        return RunOutcome(run.name, "extended", num_steps, num_evaluations)

    def _fill(self, run: ImportedRun, trial: Row[Any], filled: tuple[str, ...]) -> None:
        """Write what was not known of the run; its model becomes the one that is known so."""
        given = {name: getattr(run, name) for name in filled if name in _FACTS}
        of_model = {name: getattr(run.model, name) for name in filled if name in OF_MODEL}
        values: dict[str, Any] = given | {"science": trial.science | given | of_model}
        if of_model:
            values["model_id"] = self._model_id(completed(self._connection, run.model, trial.model_id))
        self._connection.execute(update(Trial).where(Trial.id == trial.id).values(values))
        self._restate_axes(trial.id, {name: value for name, value in given.items() if name in _AXES})

    def _restate_axes(self, trial_id: int, said: dict[str, Any]) -> None:
        member = (SweepTrial.sweep_id == self._sweep_id) & (SweepTrial.trial_id == trial_id)
        axes = self._connection.execute(select(SweepTrial.axes).where(member)).scalar_one()
        self._connection.execute(update(SweepTrial).where(member).values(axes=axes | said))

    def _new_trial(self, file: ImportedFile, run: ImportedRun, science_hash: str) -> int:
        facts = self._facts(run, None)
        values = facts | {"science_hash": science_hash, "origin": file.format, "science": _science(self._sweep, run)}
        values |= {"state": TrialState.SUCCEEDED, "finished_at": database_now()}
        trial_id = int(self._connection.execute(insert(Trial).values(values).returning(Trial.id)).scalar_one())
        membership = {"sweep_id": self._sweep_id, "trial_id": trial_id, "position": self._next_position}
        self._connection.execute(insert(SweepTrial).values(membership | {"axes": _axes(run)}))
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
        model = (
            completed(self._connection, run.model, trial.model_id)
            if trial and trial.model == run.model.name
            else run.model
        )
        return kept | {"model": model.name, "model_id": self._model_id(model)}

    def _model_id(self, model: ModelRecord) -> int:
        if model not in self._models:
            self._models[model] = model_id(self._connection, model)
        return self._models[model]

    def _changed_facts(self, trial: Row[Any], run: ImportedRun) -> tuple[list[Contradiction], tuple[str, ...]]:
        """What the run says otherwise of itself than is stored, and the names of what it adds."""
        model = self._connection.execute(select(Model.__table__).where(Model.id == trial.model_id)).one()
        pairs = [(name, getattr(trial, name), getattr(run, name)) for name in _FACTS]
        pairs += [("model", trial.model, run.model.name)]
        pairs += [(name, getattr(model, name), getattr(run.model, name)) for name in OF_MODEL]
        changed = [(name, old, new) for name, old, new in pairs if new not in (None, old)]
        differing = [Contradiction(run.name, None, name, old, new) for name, old, new in changed if old is not None]
        return differing, tuple(name for name, old, _ in changed if old is None)


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


def _axes(run: ImportedRun) -> dict[str, Any]:
    given = {name: getattr(run, name) for name in _AXES}
    return {"model": run.model.name} | {name: value for name, value in given.items() if value is not None}


def _science(sweep: str, run: ImportedRun) -> dict[str, Any]:
    facts = {name: getattr(run, name) for name in _FACTS} | {name: getattr(run.model, name) for name in OF_MODEL}
    given = {name: value for name, value in facts.items() if value is not None}
    return {"sweep": sweep, "run": run.name, "model": run.model.name} | given


def _science_hash(sweep: str, run: str) -> str:
    canonical = json.dumps({"run": run, "sweep": sweep}, sort_keys=True, separators=(",", ":"))
    return f"import:v1:{hashlib.sha256(canonical.encode()).hexdigest()}"
