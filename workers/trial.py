"""One attempt at one trial, told from top to bottom."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from db.connection.outage import wait_for_database
from db.errors import CheckpointError, RlsweepError, SpecError
from db.reader import LiveCheckpoint, Reader
from db.records import DataSetRecord, ModelRecord
from db.states import AttemptState
from db.store import AttemptStore
from workers.checkpoints import verify_checkpoint
from workers.milestones import Progress, is_complete, most_steps
from workers.spec import TrialSpec
from workers.tasks import Task, load_task

if TYPE_CHECKING:
    from workers.models.model_store import BaseModel
    from workers.trajectory import SavedCheckpoint


@dataclass(frozen=True)
class Folders:
    """Where an attempt reads and writes: models shared by all trials, and a folder of the trial's own."""

    models: Path
    trial: Path

    @property
    def checkpoints(self) -> Path:
        return self.trial / "checkpoints"


def run_trial(
    spec: TrialSpec, *, store: AttemptStore, reader: Reader, folders: Folders, is_stopping: Callable[[], bool]
) -> AttemptState:
    """Take a trial from wherever its newest checkpoint is to its last milestone.

    Returns SUCCEEDED when the last milestone is reached, INTERRUPTED when it was asked to stop before; either way its
    last step is in a checkpoint. Failures are raised.
    """
    from workers.generation.engine import (
        check_block,
        describe_attempt,
        engine_settings,
        import_trl,
        resolve_engine,
        running_engine,
    )

    # The weights to start from are made or fetched once for all trials that share them.
    store.enter_phase("preparing")
    task = load_task(spec.data)
    _refuse_unscorable(spec, task)
    base = _prepare_base_model(spec, store, folders)

    # From here on torch and TRL are needed.
    store.enter_phase("loading")
    engine = resolve_engine(spec)
    import_trl(engine)
    from workers.evaluation.answer_probability import encode_problems
    from workers.evaluation.evaluator import Evaluator
    from workers.flops import DecoderShape
    from workers.training.trainers import BlockObserver, build_trainer, load_policy
    from workers.training.trl_settings import trl_settings
    from workers.trajectory import Trajectory

    store.describe(describe_attempt(spec, engine))
    model, tokenizer = load_policy(base.folder)
    shape = DecoderShape.from_config(model.config)
    heldout = task.heldout_problems(spec.data.heldout_problems)
    store.record_data_set(DataSetRecord(name=spec.data.name, revision=None, sha256=task.sha256, num_problems=None))

    # Where an earlier attempt left off.
    recorded = wait_for_database(lambda: reader.live_checkpoints(store.trial_id), say=_say)
    progress, checkpoint, saved = _newest_checkpoint(recorded)
    store.resume_from(progress.step)

    # The trainer wants to know its horizon and its data before the first completion is drawn.
    prompt_tokens = [len(row.prompt) for row in encode_problems(tokenizer, task.training_problems(1000))]
    num_steps = most_steps(spec.budget, spec.algorithm, shape, prompt_tokens=prompt_tokens)
    problems = task.training_problems(num_steps * spec.algorithm.prompts_per_step)

    observer = BlockObserver()
    evaluator = Evaluator(
        task=task, problems=heldout, tokenizer=tokenizer, shape=shape, sampling=spec.sampling, seed=spec.seed
    )
    store.record_data_set(evaluator.data_set)
    trajectory = Trajectory(
        spec,
        store=store,
        evaluator=evaluator,
        observer=observer,
        shape=shape,
        nominal_params=spec.model.nominal_params,
        progress=progress,
        saved=saved,
        checkpoint_folder=folders.checkpoints,
        check_block=partial(check_block, spec, engine),
        is_stopping=is_stopping,
    )
    # The base is scored before its first update, once, whichever attempt gets that far.
    if progress.step == 0:
        store.enter_phase("scoring base")
        known = wait_for_database(lambda: reader.live_evaluations(store.trial_id, step=0), say=_say)
        trajectory.score(model, step=0, at_milestone=False, is_last=False, known=known)

    if not is_complete(spec.budget, progress):
        store.enter_phase("training")
        staging = _staging_folder(folders.trial, store.number)
        settings = trl_settings(
            spec,
            engine=engine,
            num_steps=num_steps,
            max_prompt_tokens=max(prompt_tokens),
            output_folder=staging,
        )
        with engine_settings(spec, engine):
            trainer = build_trainer(
                spec,
                model=model,
                tokenizer=tokenizer,
                task=task,
                problems=problems,
                settings=settings,
                callback=trajectory,
                observer=observer,
            )
        with running_engine(trainer, engine):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        shutil.rmtree(staging)

    if is_complete(spec.budget, trajectory.progress):
        return AttemptState.SUCCEEDED
    if trajectory.progress.step < num_steps:
        return AttemptState.INTERRUPTED
    raise RlsweepError(
        f"The data ended after {trajectory.progress.step} steps, before the budget of {spec.budget.last:g} "
        f"{spec.budget.unit} was reached."
    )


def _refuse_unscorable(spec: TrialSpec, task: Task) -> None:
    if not task.is_answer_unique and any(e.method == "answer_probability" for e in spec.evaluations):
        raise SpecError(
            f"The answers of {spec.data.name} have several spellings, so the probability of one of them is not pass@1; "
            "use the evaluation method `sampled`."
        )


def _prepare_base_model(spec: TrialSpec, store: AttemptStore, folders: Folders) -> BaseModel:
    from workers.models.model_store import prepare_base_model

    def show(step: int, score: float, max_steps: int) -> None:
        store.enter_phase("making base", f"pass@1 {score:.2f}")

    base = prepare_base_model(spec.model, spec.data, seed=spec.seed, models_folder=folders.models, on_progress=show)
    if spec.model.weights_sha256 not in (None, base.weights_sha256):
        raise SpecError(
            f"the weights in {spec.model.source} are not those that this trial was submitted with; "
            "put them back, or submit the sweep again to have a trial of the new ones"
        )
    warm_up = base.warm_up
    store.record_model(
        ModelRecord(
            name=spec.model.name,
            source=spec.model.source,
            revision=spec.model.revision,
            weights_sha256=base.weights_sha256,
            num_params=base.num_params,
            total_params=base.num_total_params,
            nominal_params=spec.model.nominal_params,
            warm_up_steps=warm_up.steps if warm_up else None,
            warm_up_score=warm_up.validation_score if warm_up else None,
            warm_up_seconds=warm_up.seconds if warm_up else None,
        )
    )
    return base


def _newest_checkpoint(
    recorded: Sequence[LiveCheckpoint],
) -> tuple[Progress, Path | None, list[SavedCheckpoint]]:
    """Progress and folder of the newest checkpoint that verifies, and all that exist; a bad one is passed over."""
    from workers.trajectory import SavedCheckpoint

    for record in recorded:
        try:
            progress = verify_checkpoint(Path(record.uri), record.manifest_sha256)
        except CheckpointError as error:
            _say(f"Not resuming from step {record.step}: {error}")
            continue
        usable = [r for r in recorded if r.step <= record.step]
        return progress, Path(record.uri), [SavedCheckpoint(r.step, Path(r.uri), r.is_milestone) for r in usable]
    return Progress(), None, []


def _staging_folder(trial_folder: Path, attempt: int) -> Path:
    """Where this attempt's checkpoints are written before they are whole; what dead attempts left there is cleared."""
    for left in trial_folder.glob("staging-attempt-*"):
        shutil.rmtree(left)
    folder = trial_folder / f"staging-attempt-{attempt}"
    folder.mkdir(parents=True)
    return folder


def _say(what: str) -> None:
    print(what, flush=True)
