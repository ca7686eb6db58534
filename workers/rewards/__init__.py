"""What an answer earns: scorers by data source, run in worker processes that can be killed.

`sources` says which scorer judges a data source, `paper` holds the study's scorers with their flaws, `fixed` the
sound ones, `pool` runs them in processes of their own, `programs` judges code in the sandbox, `truths` finds wrong gold
answers. Nothing here asks another model for its opinion, or needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

# As the data files carry it: text, a list (several golds, a grid, an order) or a mapping (a puzzle's solution).
Truth = str | Sequence[Any] | Mapping[str, Any]
Mode = Literal["paper", "fixed"]
Outcome = Literal["scored", "no_answer", "exception", "timed_out"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion and the truth that it is held against. `is_truncated`: it was cut at the token limit."""

    data_source: str
    text: str
    truth: Truth
    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is worth, and how it came to that.

    `score` is in [0, 1]. It is None where nothing could be told: the scorer failed or was killed ("exception") or ran
    out of time ("timed_out"; a program that runs out of its own is wrong, 0). "no_answer" is a wrong answer, 0, where
    no answer was found or none that can be read; the study's scorers sometimes credit one all the same. `lenient` is
    what `fixed` scorers give a forgiving reading: a maths answer or a letter outside a box (asked for by `judge(...,
    lenient=True)`), cells of a puzzle or grid. `reason` explains an exception in one line.
    """

    score: float | None
    outcome: Outcome
    lenient: float | None = None
    reason: str = ""

    @property
    def reward(self) -> float:
        """What training takes: the score, 0.0 where there is none. The counts of `tally` tell how often that was."""
        return self.score if self.score is not None else 0.0


@dataclass(frozen=True, slots=True)
class Tally:
    """How many answers were judged, and how many of them for other reasons than being right or wrong."""

    judged: int
    no_answer: int
    exceptions: int
    timed_out: int
    truncated: int


def tally(answers: Sequence[Answer], verdicts: Sequence[Verdict]) -> Tally:
    """The counts of a step's row or of an evaluation."""
    outcomes = [verdict.outcome for verdict in verdicts]
    return Tally(
        judged=len(outcomes),
        no_answer=outcomes.count("no_answer"),
        exceptions=outcomes.count("exception"),
        timed_out=outcomes.count("timed_out"),
        truncated=sum(answer.is_truncated for answer in answers),
    )
