"""One attempt at one trial, told from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from db.connection.outage import wait_for_database
from db.errors import SpecError
from db.reader import Reader
from db.records import ModelRecord
from db.states import AttemptState
from db.store import AttemptStore
from workers.checkpointing.resuming import newest_whole
from workers.checkpointing.staging import staging_folder
from workers.distributed.leading import OnLoss, followers
from workers.distributed.plans import FollowerPlan, NodePlan
from workers.generation.server import generation_server
from workers.generation.server_gpus import split_gpus
from workers.health import WATCHED, HealthGates, Heartbeat
from workers.milestones import is_complete
from workers.spec import TrialSpec
from workers.trial_data import open_trial_data

if TYPE_CHECKING:
    from workers.models.model_store import BaseModel


@dataclass(frozen=True)
class Folders:
    """Where an attempt reads and writes: models shared by all trials, a folder of the trial's own, and the place of
    its checkpoints, which is a folder or the URL of one in a store.
    """

    models: Path
    trial: Path
    checkpoints: str


def run_trial(
    spec: TrialSpec,
    *,
    store: AttemptStore,
    reader: Reader,
    folders: Folders,
    is_stopping: Callable[[], bool],
    on_loss: OnLoss,
    heartbeat: Heartbeat | None = None,
    launcher: int | None = None,
) -> AttemptState:
    """Take a trial from wherever its newest checkpoint is to its last milestone.

    Returns SUCCEEDED when the last milestone is reached, INTERRUPTED when it was asked to stop before; either way its
    last step is in a checkpoint. Failures are raised, and what a health gate ends (UnhealthyTrial); the failure of
    another process of the trial may be told to `on_loss` instead, which ends this one. The `heartbeat` is given a beat
    at every sign of progress. `launcher` is the line to the trial's other nodes, a file descriptor, if it has any.
    """
    heartbeat = heartbeat or Heartbeat()
    server_gpus = split_gpus(spec.execution)  # before anything asks CUDA for its devices
    from workers.generation.engine import check_block, describe_attempt, import_trl, resolve_engine

    # The weights to start from are made or fetched once for all trials that share them.
    store.enter_phase("preparing")
    base = _prepare_base_model(spec, store, folders)

    # From here on torch and TRL are needed.
    store.enter_phase("loading")
    engine = resolve_engine(spec)
    import_trl(engine)
    import torch

    from workers.block_cost import BlockCost
    from workers.evaluation.evaluator import Evaluator
    from workers.training.block_observer import BlockObserver
    from workers.training.policies import load_tokenizer, policy_shape
    from workers.training.prompt_stream import PromptStream
    from workers.training.train import train
    from workers.trajectory import Trajectory

    store.describe(describe_attempt(spec, engine))
    tokenizer, shape = load_tokenizer(spec, base.folder), policy_shape(base.folder)
    with open_trial_data(spec, tokenizer) as data, staging_folder(folders.trial, store.number) as staging:
        store.record_data_set(data.training)
        evaluator = Evaluator(data=data, tokenizer=tokenizer, shape=shape, sampling=spec.sampling, seed=spec.seed)
        store.record_data_set(evaluator.data_set)

        # Where an earlier attempt left off.
        recorded = wait_for_database(lambda: reader.live_checkpoints(store.trial_id), say=_say)
        resumed = newest_whole(recorded, fetched=staging / "fetched", say=_say)
        progress = resumed.progress
        store.resume_from(progress.step)
        steps = wait_for_database(lambda: reader.live_steps(store.trial_id, WATCHED), say=_say)
        trajectory = Trajectory(
            spec,
            store=store,
            evaluator=evaluator,
            observer=BlockObserver(),
            stream=PromptStream(data.rows, position=progress.samples),
            cost=BlockCost(spec, shape, engine, on_cuda=torch.cuda.is_available()),
            progress=progress,
            saved=resumed.saved,
            checkpoints=folders.checkpoints,
            check_block=partial(check_block, spec, engine),
            is_stopping=is_stopping,
            gates=HealthGates.after(spec.health, steps),
            heartbeat=heartbeat,
            base_scores=wait_for_database(lambda: reader.live_evaluations(store.trial_id, step=0), say=_say),
        )
        trajectory.end_the_unhealthy()
        if not is_complete(spec.budget, progress):
            if server_gpus is not None:
                store.enter_phase("starting server")
            serving = generation_server(
                spec,
                base.folder,
                gpus=server_gpus,
                longest_prompt=data.longest_prompt,
                log=folders.trial / "logs" / f"server-{store.number}.log",
                on_loss=on_loss,
            )
            plan = FollowerPlan(
                spec=spec,
                engine=engine,
                base_folder=base.folder,
                checkpoint=resumed.folder,
                progress=progress,
                staging=staging,
            )
            elsewhere = NodePlan(
                spec=spec,
                engine=engine,
                progress=progress,
                weights_sha256=base.weights_sha256,
                checkpoint=resumed.record,
                models_folder=folders.models,
                trial_folder=folders.trial,
                attempt=store.number,
            )
            beside = followers(plan, on_loss=on_loss, elsewhere=elsewhere, launcher=launcher)
            with serving as server, beside:
                store.enter_phase("loading")
                train(
                    spec,
                    trajectory,
                    engine=engine,
                    base_folder=base.folder,
                    tokenizer=tokenizer,
                    data=data,
                    checkpoint=resumed.folder,
                    staging=staging,
                    server=server,
                )
    trajectory.end_the_unhealthy()
    return AttemptState.SUCCEEDED if is_complete(spec.budget, trajectory.progress) else AttemptState.INTERRUPTED


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


def _say(what: str) -> None:
    print(what, flush=True)
