"""What happens at the end of every step: record, score, save, and decide whether to go on.

TRL calls back after each optimizer update; a step ends with the last update of its rollout block. The order is
fixed: the step is recorded, then the policy is scored, then a checkpoint is written. So a checkpoint never promises
a score that is not in the store, and a crash in between only repeats work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from db.records import CheckpointRecord
from db.states import Directive
from db.store import AttemptStore
from workers.block_cost import BlockCost
from workers.checkpointing.resuming import SavedCheckpoint
from workers.checkpointing.retention import expendable
from workers.checkpointing.saving import checkpoint_name, delete_checkpoint, save_checkpoint
from workers.distributed.exchange import Decision, Ending, from_leader, whole_block
from workers.evaluation.evaluator import Evaluator
from workers.health import HealthGates, Heartbeat
from workers.milestones import Progress, is_complete, is_due, reached
from workers.spec import Evaluation, TrialSpec
from workers.step_rows import step_row
from workers.training.block_observer import BlockObserver
from workers.training.prompt_stream import PromptStream


class Trajectory(TrainerCallback):
    """A trial's progress through its steps, from `progress` on."""

    def __init__(
        self,
        spec: TrialSpec,
        *,
        store: AttemptStore,
        evaluator: Evaluator,
        observer: BlockObserver,
        stream: PromptStream,
        cost: BlockCost,
        progress: Progress,
        saved: Sequence[SavedCheckpoint],
        checkpoints: str,
        check_block: Callable[[Sequence[Mapping[str, float]]], None],
        is_stopping: Callable[[], bool],
        gates: HealthGates,
        heartbeat: Heartbeat,
        base_scores: Collection[tuple[str, str]],
    ) -> None:
        """`base_scores` are the (benchmark, protocol) that the base has been scored on."""
        self._spec = spec
        self._store = store
        self._evaluator = evaluator
        self.observer = observer
        self.stream = stream
        self._cost = cost
        self.progress = progress
        self._saved = list(saved)
        self._last_known_step = progress.step  # of the newest checkpoint that the database knows
        self._checkpoints = checkpoints
        self._check_block = check_block
        self._is_stopping = is_stopping
        self._gates = gates
        self._heartbeat = heartbeat
        self._at_milestone = False
        due = self._due(step=0, is_last=False) if progress.step == 0 else ()
        self._base_due = tuple(each for each in due if evaluator.names(each) not in base_scores)
        self._updates: list[Mapping[str, float]] = []
        self._step_started = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The base is scored before its first update, by the trainer's own processes, once."""
        if self._base_due:
            self._store.enter_phase("scoring base")
        decision = from_leader(Decision(self._base_due, step=0))
        self._score(kwargs["model"], decision.evaluations, step=decision.step)
        self._store.enter_phase("training")

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step % self._spec.algorithm.updates_per_block == 0:
            self._step_started = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs is None or "train_runtime" in logs:  # the summary after the last step
            return
        self._updates.append(dict(logs))
        if state.global_step % self._spec.algorithm.updates_per_block == 0:
            self._end_step(control, kwargs["model"])

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        assert args.output_dir is not None
        step = self.progress.step
        sealed = save_checkpoint(
            Path(args.output_dir) / f"checkpoint-{state.global_step}",
            f"{self._checkpoints}/{checkpoint_name(step, self._store.number)}",
            self.progress,
        )
        self._store.record_checkpoint(
            CheckpointRecord(
                step=step,
                uri=sealed.uri,
                num_bytes=sealed.num_bytes,
                manifest_sha256=sealed.manifest_sha256,
                is_milestone=self._at_milestone,
            )
        )
        self._saved.append(SavedCheckpoint(step, sealed.uri, self._at_milestone))
        if not self._store.is_away:
            self._last_known_step = step
        self._delete_old_checkpoints()

    def end_the_unhealthy(self) -> None:
        """Raise UnhealthyTrial where a health gate has ended the trial."""
        self._gates.end_the_unhealthy(self.progress.step)

    def _due(self, *, step: int, is_last: bool) -> tuple[Evaluation, ...]:
        at = self._at_milestone
        return tuple(
            each for each in self._spec.evaluations if is_due(each, step=step, at_milestone=at, is_last=is_last)
        )

    def _score(self, model: Any, evaluations: Sequence[Evaluation], *, step: int) -> None:
        for evaluation in evaluations:
            self._store.record_evaluation(self._evaluator.score(model, evaluation, step=step))
            self._heartbeat.beat()

    def _end_step(self, control: TrainerControl, model: Any) -> None:
        seconds = time.perf_counter() - self._step_started
        before, block, updates = self.progress, whole_block(self.observer.take()), self._updates
        self._updates = []
        self._check_block(updates)
        needed = self._cost.needed(block)
        self.progress = before.after(
            samples=self.stream.position - before.samples,
            tokens=sum(p + c for p, c in block.lengths),
            flops=needed,
            seconds=seconds,
            num_gpus=self._spec.execution.num_gpus,
        )
        record = step_row(
            before,
            self.progress,
            block,
            needed=needed,
            executed=self._cost.executed(block, model.config._attn_implementation),
            updates=updates,
            seconds=seconds,
            nominal_params=self._spec.model.nominal_params,
            has_tools=self._spec.environment is not None,
        )
        directive = self._store.record_step(record)
        self._heartbeat.beat()
        self._gates.look(asdict(record))
        self._at_milestone = bool(reached(self._spec.budget, before, self.progress))
        complete = is_complete(self._spec.budget, self.progress)
        stopping = directive is Directive.DRAIN or self._is_stopping() or self._gates.outcome is not None
        decision = from_leader(Decision(self._due(step=self.progress.step, is_last=complete), self.progress.step))
        self._score(model, decision.evaluations, step=decision.step)
        stops = complete or stopping or control.should_training_stop
        every = self._spec.execution.checkpoint_every_steps
        ending = from_leader(Ending(stops or self._at_milestone or self.progress.step % every == 0, stops))
        control.should_save, control.should_training_stop = ending.saves, ending.stops

    def _delete_old_checkpoints(self) -> None:
        known_through = self._last_known_step if self._store.is_away else None
        kept = self._spec.execution.checkpoints_kept
        for saved in expendable(self._saved, keep=kept, needed_through=known_through):
            delete_checkpoint(saved.uri)
            self._store.record_deleted_checkpoint(saved.uri, step=self.progress.step)
            self._saved.remove(saved)
