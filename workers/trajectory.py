"""What happens at the end of every step: record, score, save, and decide whether to go on.

TRL calls back after each optimizer update; a step ends with the last update of its rollout block. The order is
fixed: the step is recorded, then the policy is scored, then a checkpoint is written. So a checkpoint never promises
a score that is not in the store, and a crash in between only repeats work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from db.records import CheckpointRecord, StepRecord
from db.states import Directive
from db.store import AttemptStore
from workers.checkpoints import delete_checkpoint, seal_checkpoint
from workers.evaluation.evaluator import Evaluator
from workers.flops import FORMULA_VERSION, BlockFlops, DecoderShape, block_flops
from workers.milestones import Progress, is_complete, is_due, reached
from workers.spec import TrialSpec
from workers.training.trainers import BlockObserver

# TRL's names of what a step row holds. A metric that TRL did not log is NULL.
_TRL_METRICS = {
    "loss": "loss",
    "reward": "reward",
    "reward_std": "reward_std",
    "zero_variance_share": "frac_reward_zero_std",
    "kl": "kl",
    "entropy": "entropy",
    "clipped_share": "clip_ratio/region_mean",
    "gradient_norm": "grad_norm",
    "mean_completion_tokens": "completions/mean_length",
    "max_completion_tokens": "completions/max_length",
    "truncated_share": "completions/clipped_ratio",
    "sampling_logprob_difference": "sampling/sampling_logp_difference/mean",
}


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that this attempt may delete when newer ones exist."""

    step: int
    folder: Path
    is_milestone: bool


class Trajectory(TrainerCallback):
    """A trial's progress through its steps, from `progress` on."""

    def __init__(
        self,
        spec: TrialSpec,
        *,
        store: AttemptStore,
        evaluator: Evaluator,
        observer: BlockObserver,
        shape: DecoderShape,
        nominal_params: float | None,
        progress: Progress,
        saved: Sequence[SavedCheckpoint],
        checkpoint_folder: Path,
        check_block: Callable[[Sequence[Mapping[str, float]]], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._spec = spec
        self._store = store
        self._evaluator = evaluator
        self._observer = observer
        self._shape = shape
        self._nominal_params = nominal_params
        self.progress = progress
        self._saved = list(saved)
        self._last_known_step = progress.step  # of the newest checkpoint that the database knows
        self._checkpoint_folder = checkpoint_folder
        self._check_block = check_block
        self._is_stopping = is_stopping
        self._updates: list[Mapping[str, float]] = []
        self._step_started = 0.0
        self._at_milestone = False

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step % self._spec.algorithm.updates_per_step == 0:
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
        if state.global_step % self._spec.algorithm.updates_per_step == 0:
            self._end_step(control, kwargs["model"])

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        assert args.output_dir is not None
        step = self.progress.step
        sealed = seal_checkpoint(
            Path(args.output_dir) / f"checkpoint-{state.global_step}",
            self._checkpoint_folder / f"step-{step:06d}-attempt-{self._store.number}",
            self.progress,
        )
        self._store.record_checkpoint(
            CheckpointRecord(
                step=step,
                uri=str(sealed.folder),
                num_bytes=sealed.num_bytes,
                manifest_sha256=sealed.manifest_sha256,
                is_milestone=self._at_milestone,
            )
        )
        self._saved.append(SavedCheckpoint(step, sealed.folder, self._at_milestone))
        if not self._store.is_away:
            self._last_known_step = step
        self._delete_old_checkpoints()

    def score(
        self, model: Any, *, step: int, at_milestone: bool, is_last: bool, known: Sequence[tuple[str, str]]
    ) -> None:
        """Score the policy on every benchmark that is due and not `known` (benchmark, protocol) already."""
        for evaluation in self._spec.evaluations:
            if not is_due(evaluation, step=step, at_milestone=at_milestone, is_last=is_last):
                continue
            if self._evaluator.names(evaluation) not in known:
                self._store.record_evaluation(self._evaluator.score(model, evaluation, step=step))

    def _end_step(self, control: TrainerControl, model: Any) -> None:
        seconds = time.perf_counter() - self._step_started
        before, block, updates = self.progress, self._observer.take(), self._updates
        self._updates = []
        self._check_block(updates)
        flops = block_flops(
            self._shape,
            block.lengths,
            # With one update a block the policy is still the one that sampled. TRL then scores it anew with vLLM only,
            # to compare the two: a diagnostic, which must not make compute depend on the engine.
            has_old_logprobs=block.has_old_logprobs and self._spec.algorithm.updates_per_step > 1,
            has_reference=block.has_reference,
        )
        self.progress = before.after(
            samples=self._spec.algorithm.prompts_per_step,
            tokens=sum(p + c for p, c in block.lengths),
            flops=flops,
            seconds=seconds,
        )
        directive = self._store.record_step(self._step_record(block, flops, updates, seconds))
        self._at_milestone = bool(reached(self._spec.budget, before, self.progress))
        complete = is_complete(self._spec.budget, self.progress)
        stopping = directive is Directive.DRAIN or self._is_stopping()
        self.score(model, step=self.progress.step, at_milestone=self._at_milestone, is_last=complete, known=())
        every = self._spec.execution.checkpoint_every_steps
        control.should_training_stop = complete or stopping or control.should_training_stop
        control.should_save = control.should_training_stop or self._at_milestone or self.progress.step % every == 0

    def _step_record(
        self, block: BlockObserver, flops: BlockFlops, updates: Sequence[Mapping[str, float]], seconds: float
    ) -> StepRecord:
        now = self.progress
        nominal = self._nominal_params
        return StepRecord(
            step=now.step,
            samples=self._spec.algorithm.prompts_per_step,
            prompt_tokens=sum(p for p, _ in block.lengths),
            completion_tokens=sum(c for _, c in block.lengths),
            cumulative_samples=now.samples,
            cumulative_tokens=now.tokens,
            cumulative_flops=now.flops,
            cumulative_paper_flops=None if nominal is None else 6.0 * nominal * now.tokens,
            cumulative_seconds=now.seconds,
            generation_flops=flops.generation,
            old_logprob_flops=flops.old_logprob,
            reference_flops=flops.reference,
            train_flops=flops.train,
            flops_version=FORMULA_VERSION,
            step_seconds=seconds,
            generation_seconds=block.seconds["generation"],
            logprob_seconds=block.seconds["logprob"],
            reward_seconds=block.seconds["reward"],
            update_seconds=seconds - sum(block.seconds[phase] for phase in ("generation", "logprob", "reward")),
            learning_rate=updates[-1].get("learning_rate"),
            **{column: _mean(updates, metric) for column, metric in _TRL_METRICS.items()},
        )

    def _delete_old_checkpoints(self) -> None:
        """Keep the newest few and every milestone.

        While the database is away, keep those that it knows too: the trial may have been given to another attempt,
        which continues from one of them.
        """
        newest = sorted(self._saved, key=lambda saved: saved.step)[-self._spec.execution.checkpoints_kept :]
        known = [saved for saved in self._saved if saved.step <= self._last_known_step and self._store.is_away]
        for saved in [s for s in self._saved if s not in [*newest, *known] and not s.is_milestone]:
            delete_checkpoint(saved.folder)
            self._store.record_deleted_checkpoint(str(saved.folder), step=self.progress.step)
            self._saved.remove(saved)


def _mean(updates: Sequence[Mapping[str, float]], metric: str) -> float | None:
    """Mean over the updates that logged `metric`: TRL logs what concerns the whole block in its first update."""
    values = [update[metric] for update in updates if update.get(metric) is not None]
    return fmean(values) if values else None
