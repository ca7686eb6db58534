"""What a trial's history means, in plain Python: the answers that the store and the views must give.

An attempt has rows in the order in which they were first delivered. A row counts unless a later attempt has gone on
from a step before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import fsum, inf
from typing import Any, TypeAlias

from db.records import CheckpointRecord, EvaluationRecord, ResumePoint, StepRecord

Row: TypeAlias = dict[str, Any]
Record: TypeAlias = ResumePoint | StepRecord | EvaluationRecord | CheckpointRecord

PHASES = ("generation_flops", "old_logprob_flops", "reference_flops", "train_flops")
_AMOUNTS = ("samples", "tokens", "flops", "seconds")


@dataclass
class AttemptModel:
    """One attempt; `resumed_from` is None until it has said so. Scores keep the order of their delivery."""

    number: int
    resumed_from: int | None = None
    steps: dict[int, StepRecord] = field(default_factory=dict)
    scores: list[tuple[int, EvaluationRecord]] = field(default_factory=list)
    checkpoints: dict[int, CheckpointRecord] = field(default_factory=dict)


class TrialModel:
    """One trial, told as its attempts tell it."""

    def __init__(self) -> None:
        self.attempts: list[AttemptModel] = []
        self._num_scores = 0

    def start(self) -> AttemptModel:
        """A new attempt."""
        self.attempts.append(AttemptModel(len(self.attempts) + 1))
        return self.attempts[-1]

    def deliver(self, record: Record) -> None:
        """A record of the newest attempt that is new."""
        attempt = self.attempts[-1]
        match record:
            case ResumePoint():
                attempt.resumed_from = record.step
            case StepRecord():
                attempt.steps[record.step] = record
            case EvaluationRecord():
                attempt.scores.append((self._num_scores, record))
                self._num_scores += 1
            case CheckpointRecord():
                attempt.checkpoints[record.step] = record

    def lives_through(self, attempt: AttemptModel) -> float:
        """The last step of an attempt that counts."""
        later = (each.resumed_from for each in self.attempts[attempt.number :])
        return min((step for step in later if step is not None), default=inf)

    def live_steps(self) -> dict[int, tuple[int, StepRecord]]:
        """Step -> its attempt and its record; fails if a step counts twice."""
        live = [
            (number, (attempt.number, record))
            for attempt in self.attempts
            for number, record in attempt.steps.items()
            if number <= self.lives_through(attempt)
        ]
        assert len(dict(live)) == len(live)
        return dict(sorted(live))

    def live_scores(self) -> list[tuple[int, EvaluationRecord]]:
        """(attempt, score), by step, then in order of delivery."""
        live = [
            (record.step, order, attempt.number, record)
            for attempt in self.attempts
            for order, record in attempt.scores
            if record.step <= self.lives_through(attempt)
        ]
        return [(number, record) for _, _, number, record in sorted(live, key=lambda each: each[:2])]

    def live_checkpoints(self) -> list[int]:
        """Steps from which the next attempt may go on."""
        return sorted(
            step for attempt in self.attempts for step in attempt.checkpoints if step <= self.lives_through(attempt)
        )

    def curve(self) -> list[Row]:
        """The rows of `learning_curve`, by step: a score with what its step had cost, whichever attempt took it."""
        steps = self.live_steps()
        rows = []
        for number, record in self.live_scores():
            step = steps[record.step][1] if record.step else None
            amounts = {name: getattr(step, f"cumulative_{name}") if step else 0 for name in _AMOUNTS}
            amounts["train_seconds"] = amounts.pop("seconds")
            key = {"attempt": number, "step": record.step, "benchmark": record.benchmark, "protocol": record.protocol}
            rows.append(key | amounts | {"score": record.score})
        return rows

    def final(self) -> dict[str, Row]:
        """Benchmark -> its row of `final_result`."""
        found: dict[str, Row] = {}
        for row in self.curve():
            loss, before = 1 - row["score"], found.get(row["benchmark"])
            found[row["benchmark"]] = {
                "step": row["step"], "score": row["score"], "samples": row["samples"], "flops": row["flops"],
                "first_test_loss": before["first_test_loss"] if before else loss,
                "best_test_loss": min(loss, before["best_test_loss"]) if before else loss,
            }  # fmt: skip
        return found

    def ledger(self) -> Iterator[Row]:
        """The rows of `flop_ledger`, by attempt."""
        for attempt in self.attempts:
            limit = self.lives_through(attempt)
            lost = [record for number, record in attempt.steps.items() if number > limit]
            useful = [record for number, record in attempt.steps.items() if number <= limit]
            phases = {phase: fsum(getattr(step, phase) for step in (*lost, *useful)) for phase in PHASES}
            yield phases | {
                "attempt": attempt.number, "steps": len(attempt.steps), "lost_steps": len(lost),
                "paid_flops": _flops(attempt.steps.values()), "useful_flops": _flops(useful),
                "lost_flops": _flops(lost), "paid_seconds": _seconds(attempt.steps.values()),
                "lost_seconds": _seconds(lost),
                "evaluation_flops": fsum(record.evaluation_flops or 0.0 for _, record in attempt.scores) or None,
            }  # fmt: skip

    def progress(self) -> Row:
        """The columns of `trial` that repeat its live lineage."""
        steps = self.live_steps()
        last = steps[max(steps)][1] if steps else None
        values: Row = {f"reached_{name}": getattr(last, f"cumulative_{name}") if last else None for name in _AMOUNTS}
        values["reached_step"] = last.step if last else 0
        delivered = sorted(pair for attempt in self.attempts for pair in attempt.scores)
        headline = delivered[0][1] if delivered else None
        scores = [
            record.score for _, record in self.live_scores() if headline and record.benchmark == headline.benchmark
        ]
        return values | {
            "attempts": len(self.attempts),
            "headline_benchmark": headline.benchmark if headline else None,
            "headline_protocol": headline.protocol if headline else None,
            "first_score": scores[0] if scores else None,
            "last_score": scores[-1] if scores else None,
        }


def _flops(steps: Iterable[StepRecord]) -> float:
    return fsum(getattr(step, phase) for step in steps for phase in PHASES)


def _seconds(steps: Iterable[StepRecord]) -> float:
    return fsum(step.step_seconds or 0.0 for step in steps)
