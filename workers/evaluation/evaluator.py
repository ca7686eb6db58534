"""Scoring a policy on held-out problems, apart from the trainer and without touching its random state.

TRL's own evaluation samples with the training temperature and shuffles the problems; a learning curve needs one
fixed protocol. The protocol's name and version are recorded with every score, and scores of different protocols
are never compared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from db.errors import NumericalError
from db.records import DataSetRecord, EvaluationRecord, ProblemResult
from workers.evaluation.answer_probability import Encoded, encoded_probabilities
from workers.evaluation.score_names import benchmark_name, protocol_name
from workers.flops import DecoderShape, forward_flops, generation_flops
from workers.rewards import Answer
from workers.spec import Evaluation, Sampling
from workers.trial_data import Question, TrialData

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BATCH_SIZE = 256
# Of the keys and values of completions that are drawn at once. What is drawn together decides what is drawn, so the
# number is the same on every machine: it does not ask how much memory is free.
_CACHE_BYTES = 8 * 2**30
# What a model's own settings would otherwise change of the distribution that is sampled.
_UNCHANGED = {
    "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0,
    "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_length": 0, "min_new_tokens": 0, "num_beams": 1,
    "bad_words_ids": None, "suppress_tokens": None, "begin_suppress_tokens": None, "sequence_bias": None,
    "forced_bos_token_id": None, "forced_eos_token_id": None,
}  # fmt: skip


@dataclass(frozen=True)
class Evaluator:
    """Scores a policy on a trial's held-out problems by any `Evaluation`."""

    data: TrialData
    tokenizer: PreTrainedTokenizerBase
    shape: DecoderShape
    sampling: Sampling
    seed: int

    @property
    def problems(self) -> Sequence[Question]:
        return self.data.heldout

    @cached_property
    def encoded(self) -> list[Encoded]:
        """The problems' token ids; the same at every evaluation."""
        return self.data.encode_heldout()

    @cached_property
    def data_set(self) -> DataSetRecord:
        """The problems, one by one, so that scores are kept for each of them."""
        each = tuple(problem.sha256 for problem in self.problems)
        whole = sha256("\n".join(each).encode()).hexdigest()
        return DataSetRecord(
            name=f"heldout-{len(each)}",
            revision=None,
            sha256=whole,
            num_problems=len(each),
            problem_sha256s=each,
            problem_sources=tuple(problem.data_source for problem in self.problems),
        )

    def names(self, evaluation: Evaluation) -> tuple[str, str]:
        """The benchmark and the protocol that scores of `evaluation` are kept under."""
        return benchmark_name(evaluation, num_problems=len(self.problems)), protocol_name(evaluation)

    def score(self, model: PreTrainedModel, evaluation: Evaluation, *, step: int) -> EvaluationRecord:
        """Pass@1 with its standard error over problems, and what it cost."""
        started = time.perf_counter()
        benchmark, protocol = self.names(evaluation)
        if evaluation.method == "answer_probability":
            rates = encoded_probabilities(model, self.encoded, batch_size=_BATCH_SIZE)
            if not all(map(math.isfinite, rates)):
                raise NumericalError(
                    f"After step {step} the policy's probabilities are not numbers: its weights have overflowed. "
                    "Lower optimizer.learning_rate."
                )
            rates = [min(rate, 1.0) for rate in rates]  # a sum of rounded log-probabilities may end above 0
            results = tuple(ProblemResult(place, probability=rate) for place, rate in enumerate(rates))
            successes, flops = None, self._scoring_flops()
        else:
            assert evaluation.samples is not None
            counts, flops = self._sampled_successes(model, evaluation, step=step)
            rates = [count / evaluation.samples for count in counts]
            results = tuple(ProblemResult(place, successes=count) for place, count in enumerate(counts))
            successes = sum(counts)
        return EvaluationRecord(
            step=step,
            benchmark=benchmark,
            protocol=protocol,
            problems=len(rates),
            samples_per_problem=evaluation.samples,
            successes=successes,
            score=fmean(rates),
            standard_error=stdev(rates) / math.sqrt(len(rates)) if len(rates) > 1 else None,
            evaluation_flops=flops,
            seconds=time.perf_counter() - started,
            data_set_sha256=self.data_set.sha256,
            results=results,
        )

    def _scoring_flops(self) -> float:
        return sum(forward_flops(self.shape, tokens=len(row), head_tokens=len(row.completion)) for row in self.encoded)

    def _sampled_successes(
        self, model: PreTrainedModel, evaluation: Evaluation, *, step: int
    ) -> tuple[list[int], float]:
        """Right completions of each problem, and the model FLOPs of drawing them."""
        import torch

        was_training = model.training
        model.eval()
        counts: list[int] = []
        flops = 0.0
        try:
            # The trainer's random state must be the same whether or not a policy was scored in between.
            with torch.no_grad(), torch.random.fork_rng():
                torch.manual_seed(self.seed * 1_000_003 + step)
                at_once = self._problems_at_once(model, evaluation)
                for start in range(0, len(self.problems), at_once):
                    rows = self.encoded[start : start + at_once]
                    drawn = self._draw(model, rows, evaluation)
                    counts += self._right(self.problems[start : start + at_once], drawn, evaluation)
                    flops += sum(
                        generation_flops(self.shape, prompt_tokens=len(row.prompt), completion_tokens=len(ids))
                        for row, completions in zip(rows, drawn, strict=True)
                        for ids in completions
                    )
        finally:
            model.train(was_training)
        return counts, flops

    def _problems_at_once(self, model: PreTrainedModel, evaluation: Evaluation) -> int:
        shape = self.shape
        longest = max(len(row.prompt) for row in self.encoded) + self.sampling.max_completion_tokens
        per_token = 2 * shape.num_layers * shape.num_key_value_heads * shape.head_dim * model.dtype.itemsize
        completions = _CACHE_BYTES // (longest * per_token)
        return int(min(max(completions // (evaluation.samples or 1), 1), _BATCH_SIZE))

    def _draw(self, model: PreTrainedModel, rows: Sequence[Encoded], evaluation: Evaluation) -> list[list[list[int]]]:
        """For each row, the token ids of its completions."""
        from transformers import GenerationConfig

        prompts = {"input_ids": [list(row.prompt) for row in rows]}
        inputs = self.tokenizer.pad(prompts, padding_side="left", return_tensors="pt").to(model.device)
        ends = _end_tokens(model, self.tokenizer)
        settings = GenerationConfig(
            do_sample=True,
            temperature=evaluation.temperature,
            max_new_tokens=self.sampling.max_completion_tokens,
            num_return_sequences=evaluation.samples,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=ends,
            **_UNCHANGED,
        )
        output = model.generate(**inputs, generation_config=settings)
        drawn = output[:, inputs["input_ids"].shape[1] :].tolist()
        samples = evaluation.samples or 1
        return [
            [_until(ends, ids) for ids in drawn[index * samples : (index + 1) * samples]] for index in range(len(rows))
        ]

    def _right(
        self, problems: Sequence[Question], drawn: Sequence[Sequence[list[int]]], evaluation: Evaluation
    ) -> list[int]:
        """How many completions of each problem are right; one that could not be judged is not."""
        answers = [
            Answer(problem.data_source, self.tokenizer.decode(ids, skip_special_tokens=True), problem.truth)
            for problem, completions in zip(problems, drawn, strict=True)
            for ids in completions
        ]
        rewards = [verdict.reward for verdict in self.data.judge(answers, mode=evaluation.protocol)]
        samples = len(rewards) // len(problems)
        return [sum(each >= 1.0 for each in rewards[n * samples : (n + 1) * samples]) for n in range(len(problems))]


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokenizer's end of a text, and what the model's makers end an answer with besides."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    return sorted({tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])} - {None})


def _until(ends: Sequence[int], ids: list[int]) -> list[int]:
    return next((ids[: place + 1] for place, token in enumerate(ids) if token in ends), ids)
