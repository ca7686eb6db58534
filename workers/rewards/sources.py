"""Which scorer judges a data source, in each mode, and which sources this version refuses to judge.

A source is known by how its name begins. Programs (`codegen`) have no scorer here: `programs` judges them by their
tests, in the sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from db.errors import SpecError
from workers.rewards import Mode, Truth
from workers.rewards.fixed import choices as fixed_choices
from workers.rewards.fixed import grade_school as fixed_grade_school
from workers.rewards.fixed import grids as fixed_grids
from workers.rewards.fixed import mathematics as fixed_mathematics
from workers.rewards.fixed import puzzles as fixed_puzzles
from workers.rewards.fixed import zebra as fixed_zebra
from workers.rewards.paper import choices as paper_choices
from workers.rewards.paper import competition as paper_competition
from workers.rewards.paper import grade_school as paper_grade_school
from workers.rewards.paper import grids as paper_grids
from workers.rewards.paper import mathematics as paper_mathematics
from workers.rewards.paper import puzzles as paper_puzzles
from workers.rewards.paper import zebra as paper_zebra
from workers.rewards.programs import is_program
from workers.rewards.reading import Reading, structure
from workers.sandbox import find_isolation


def _boxed(truth: Truth) -> str:
    return f"\\boxed{{{truth if isinstance(truth, str) else next(iter(truth))}}}"


def _tagged(truth: Truth) -> str:
    return f"<answer>{truth}</answer>"


def _tagged_json(truth: Truth) -> str:
    return f"<answer>{json.dumps(structure(truth))}</answer>"


@dataclass(frozen=True, slots=True)
class Scorer:
    """The two readings of an answer, and `lenient`, where `fixed` found none.

    `own_answer` writes the truth as a model would; `wrong_answer` is one that no truth agrees with, so that a truth
    which fails on it is unreadable.
    """

    paper: Callable[[str, Truth], Reading]
    fixed: Callable[[str, Truth], Reading]
    own_answer: Callable[[Truth], str]
    wrong_answer: str
    lenient: Callable[[str, Truth], float] | None = None

    def read(self, text: str, truth: Truth, *, mode: Mode, lenient: bool) -> Reading:
        """Score one answer. Raises whatever the scorer raises."""
        if mode == "paper":
            return self.paper(text, truth)
        reading = self.fixed(text, truth)
        if not lenient or reading.lenient is not None:
            return reading
        credit = self.lenient(text, truth) if self.lenient and not reading.found else reading.score
        return Reading(reading.score, reading.found, credit)


_ODD_NUMBER = "\\boxed{-7351926.40817}"
_NOTHING = "<answer>nothing</answer>"

_MATHEMATICS = Scorer(
    paper_mathematics.score, fixed_mathematics.score, _boxed, _ODD_NUMBER, fixed_mathematics.lenient_score
)
_COMPETITION = Scorer(
    paper_competition.score, fixed_mathematics.score, _boxed, _ODD_NUMBER, fixed_mathematics.lenient_score
)
_GRADE_SCHOOL = Scorer(
    paper_grade_school.score, fixed_grade_school.score, _boxed, _ODD_NUMBER, fixed_mathematics.lenient_score
)
_CHOICES = Scorer(paper_choices.score, fixed_choices.score, _boxed, "\\boxed{none}", fixed_choices.lenient_score)
_GRIDS = Scorer(paper_grids.score, fixed_grids.score, _tagged_json, _NOTHING)
_ZEBRA = Scorer(paper_zebra.score, fixed_zebra.score, _tagged_json, _NOTHING)
_ORDERING = Scorer(paper_puzzles.ordering_score, fixed_puzzles.ordering_score, _tagged_json, _NOTHING)
_GRAPH = Scorer(paper_puzzles.graph_score, fixed_puzzles.graph_score, _tagged, _NOTHING)

SCORERS: Mapping[str, Scorer] = {
    "math": _MATHEMATICS,
    "openai/gsm8k": _GRADE_SCHOOL,
    "aime": _COMPETITION,
    "amc": _COMPETITION,
    "logic__zebra_puzzle": _ZEBRA,
    "logic__ordering_puzzle": _ORDERING,
    "logic__graph": _GRAPH,
    "logic__arcagi": _GRIDS,
    "logic__barc": _GRIDS,
    "simulation__arcagi": _GRIDS,
    "simulation__barc": _GRIDS,
    "stem__supergpqa": _CHOICES,
}

REFUSED: Mapping[str, str] = {
    "stem_web": "its answers are judged by another model, which this version does not ask",
    "stem__web": "its answers are judged by another model, which this version does not ask",
}


def scorer_of(data_source: str) -> Scorer:
    """The scorer of one data source. Raises SpecError for one that is refused, unknown or of programs."""
    _refuse(data_source)
    for prefix, scorer in SCORERS.items():
        if data_source.startswith(prefix):
            return scorer
    raise SpecError(
        f"data source {data_source!r} has no scorer; there is one for sources that begin with {', '.join(SCORERS)}"
    )


def check_sources(data_sources: Iterable[str]) -> None:
    """Refuse, before anything runs, rows that nothing here can judge.

    Raises SpecError, or SandboxUnavailable for programs on a machine that cannot run them apart from itself.
    """
    for data_source in sorted(set(data_sources)):
        if is_program(data_source):
            find_isolation()
        else:
            scorer_of(data_source)


def _refuse(data_source: str) -> None:
    for prefix, sentence in REFUSED.items():
        if data_source.startswith(prefix):
            raise SpecError(f"data source {data_source!r} cannot be rewarded: {sentence}; leave out its rows")
