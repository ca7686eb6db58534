"""What is in the prompts of a `data` section: counts that tell whether it can be trained on, before anything runs.

Nothing is changed, and nothing is judged: whether answers are right is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.prompts import Message, Prompt
from workers.prompts.curriculum import Curriculum
from workers.prompts.ground_truth import is_quoted
from workers.prompts.heldout import heldout_set, training_files
from workers.prompts.lengths import CountTokens
from workers.prompts.slices import slice_for_tau
from workers.prompts.training_set import Kept, candidates_of, pool_size
from workers.spec import Data

TAUS = (1, 2, 4, 5, 10, 20, 25, 50, 100)


@dataclass(frozen=True)
class Quantiles:
    """Of `count` values: the least, the quartiles and the greatest."""

    count: int
    least: float
    lower: float
    median: float
    upper: float
    greatest: float


@dataclass(frozen=True)
class Slice:
    """What a trial of this `tau` goes through, again and again."""

    tau: int
    prompts: int
    easy: int
    unique: int


@dataclass(frozen=True)
class Heldout:
    """The problems kept for scoring, and how many of them are trained on to the letter."""

    problems: int
    sources: dict[str, int]
    trained_on: int


@dataclass(frozen=True)
class Inspection:
    """What was found. Lengths are those of all prompts that are left, `tokens` None without a tokenizer.

    `repeated` rows say what an earlier one says, `contradicting` of them with another answer; `quoted` prompts are
    the text of a Python list of messages. `unknown` rows have no pass rate, and count as hard. The slices are of
    those values of tau that divide the `pool`.
    """

    files: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...]
    kept: Kept
    sources: dict[str, int]
    easy: int
    hard: int
    unknown: int
    pass_rates: Quantiles | None
    characters: Quantiles
    tokens: Quantiles | None
    repeated: int
    contradicting: int
    quoted: int
    pool: int
    slices: tuple[Slice, ...]
    heldout: Heldout | None


def inspect(
    data: Data,
    *,
    count_tokens: CountTokens | None = None,
    last_prompts: int | None = None,
    taus: Sequence[int] = TAUS,
    with_heldout: bool = True,
) -> Inspection:
    """Read all prompts of `data` and count. Raises what `training_set` raises."""
    files = training_files(data)
    candidates, kept = candidates_of(data, count_tokens=count_tokens)
    pool = pool_size(data, candidates, kept, last_prompts=last_prompts)
    prompts = candidates.prompts
    rates = [prompt.pass_rate for prompt in prompts if prompt.pass_rate is not None]
    return Inspection(
        files=tuple(files),
        columns=tuple(dict.fromkeys(column for file in files for column in columns_of(file))),
        kept=kept,
        sources=_counted(prompts),
        easy=candidates.easy_prompts,
        hard=len(rates) - candidates.easy_prompts,
        unknown=len(prompts) - len(rates),
        pass_rates=quantiles(rates) if rates else None,
        characters=quantiles([len(prompt.text) for prompt in prompts]),
        tokens=quantiles([count_tokens(prompt.chat) for prompt in prompts]) if count_tokens else None,
        repeated=len(prompts) - candidates.unique_prompts,
        contradicting=_contradicting(prompts),
        quoted=sum(map(is_quoted, prompts)),
        pool=pool,
        slices=tuple(_slice(candidates, pool, tau) for tau in taus if pool % tau == 0),
        heldout=_heldout(data, prompts) if with_heldout else None,
    )


def columns_of(file: Path) -> list[tuple[str, str]]:
    """Name and type of each column, from the file's footer alone."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    return [(field.name, str(field.type)) for field in schema]


def quantiles(values: Sequence[float]) -> Quantiles:
    """Of at least one value; between two values on a straight line."""
    import numpy as np

    return Quantiles(len(values), *(float(found) for found in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])))


def _counted(prompts: Iterable[Prompt]) -> dict[str, int]:
    return dict(Counter(prompt.data_source for prompt in prompts).most_common())


def _contradicting(prompts: Iterable[Prompt]) -> int:
    answers: dict[tuple[Message, ...], str] = {}
    return sum(answers.setdefault(prompt.messages, prompt.answer) != prompt.answer for prompt in prompts)


def _slice(candidates: Curriculum, pool: int, tau: int) -> Slice:
    drawn = slice_for_tau(candidates, pool, tau)
    return Slice(tau, len(drawn), drawn.easy_prompts, drawn.unique_prompts)


def _heldout(data: Data, prompts: Iterable[Prompt]) -> Heldout:
    heldout = heldout_set(data)
    trained_on = {prompt.text for prompt in prompts}
    return Heldout(len(heldout), _counted(heldout), sum(prompt.text in trained_on for prompt in heldout))
