"""The callback of a follower: what the leader's trajectory does at the end of a block, without the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from workers.distributed.exchange import Decision, Ending, from_leader, wait_for_all, whole_block
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
        decision: Decision = from_leader(None)
        for evaluation in decision.evaluations:  # of sharded weights every process has a part
            self._evaluator.score(kwargs["model"], evaluation, step=decision.step)
        ending: Ending = from_leader(None)
        control.should_save, control.should_training_stop = ending.saves, ending.stops

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        wait_for_all()
