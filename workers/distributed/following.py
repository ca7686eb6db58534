"""The callback of a follower: what the leader's trajectory does at the end of a block, without the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from workers.distributed.exchange import Decision, Ending, from_leader, whole_block
from workers.evaluation.evaluator import Evaluator
from workers.spec import TrialSpec
from workers.training.block_observer import BlockObserver
from workers.training.prompt_stream import PromptStream


class Following(TrainerCallback):
    """Keeps in step with `workers.trajectory`: the same exchanges in the same order."""

    def __init__(self, spec: TrialSpec, *, evaluator: Evaluator, observer: BlockObserver, stream: PromptStream) -> None:
        self._spec = spec
        self._evaluator = evaluator
        self.observer = observer
        self.stream = stream

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._score_as_decided(kwargs["model"])

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs is None or "train_runtime" in logs:
            return
        if state.global_step % self._spec.algorithm.updates_per_block:
            return
        whole_block(self.observer.take())
        self._score_as_decided(kwargs["model"])
        ending: Ending = from_leader(None)
        control.should_save, control.should_training_stop = ending.saves, ending.stops

    def _score_as_decided(self, model: Any) -> None:
        """Of sharded weights every process has a part, so all of them score."""
        decision: Decision = from_leader(None)
        for evaluation in decision.evaluations:
            self._evaluator.score(model, evaluation, step=decision.step)
