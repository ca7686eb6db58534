"""From a trial's `data` to the prompts that it is trained on, and what became of the rows on the way.

The order is fixed: find the files, read them, keep the `sources`, go from easy to hard, drop what is nearly a
held-out problem, drop what is too long, take the first `total_prompts`, draw the slice of `tau`. Dropping comes before
drawing, so that the sizes of pool and slice are those asked for; what is short of them is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from db.errors import SpecError
from db.records import DataSetRecord
from workers.prompts import Prompt
from workers.prompts.curriculum import Curriculum, in_curriculum_order
from workers.prompts.duplicates import without_near_duplicates
from workers.prompts.heldout import check_content, heldout_set, training_files
from workers.prompts.lengths import CountTokens, without_long_prompts
from workers.prompts.rows import read_prompts
from workers.prompts.slices import slice_for_tau
from workers.spec import Data, IdentifiedData


@dataclass(frozen=True)
class Kept:
    """How many rows were read, and how many of them were left or dropped by each condition, in this order.

    `too_long` is None where lengths were not counted.
    """

    rows: int
    of_sources: int
    near_duplicates: int
    too_long: int | None

    @property
    def left(self) -> int:
        """Rows that the pool can be taken from."""
        return self.of_sources - self.near_duplicates - (self.too_long or 0)


@dataclass(frozen=True)
class Exposure:
    """How often one row has been drawn; `index` is its place in the file."""

    row_sha256: str
    index: int
    times: int


@dataclass(frozen=True)
class TrainingSet:
    """The prompts of a trial in the order of training, `pool` of which they were drawn, and what they were kept of.

    `tau` is what was asked for, `realised_tau` how often each distinct prompt comes among the draws of the whole
    trial: more than was asked for where the pool holds a problem twice or the budget is larger than the pool.
    """

    curriculum: Curriculum
    kept: Kept
    pool: int
    tau: int
    realised_tau: float

    def __len__(self) -> int:
        return len(self.curriculum)

    @property
    def sha256(self) -> str:
        """Hash of every prompt, in order."""
        return self.curriculum.sha256

    def draws(self, count: int) -> Iterator[Prompt]:
        """The first `count` prompts that the trial is trained on: all in order, then again in the same order."""
        return self.curriculum.draws(count)

    def exposure(self, drawn: int) -> Iterator[Exposure]:
        """How often each row has been drawn after `drawn` draws in all, in the order of training."""
        times = self.curriculum.times_drawn(drawn)
        for prompt, count in zip(self.curriculum.prompts, times, strict=True):
            yield Exposure(prompt.row_sha256, prompt.index, count)

    def record(self, data: Data) -> DataSetRecord:
        """What the database keeps: with each row's hash in order, exposure can be had from it at any step."""
        return DataSetRecord(
            name=data.name,
            revision=data.revision,
            sha256=self.sha256,
            num_problems=len(self),
            unique_prompts=self.curriculum.unique_prompts,
            rows_read=self.kept.rows,
            near_duplicates_dropped=self.kept.near_duplicates,
            too_long_dropped=self.kept.too_long,
            problem_sha256s=tuple(prompt.row_sha256 for prompt in self.curriculum.prompts),
            problem_sources=tuple(prompt.data_source for prompt in self.curriculum.prompts),
        )


def training_set(data: Data, *, last_prompts: int | None, count_tokens: CountTokens) -> TrainingSet:
    """What a trial with such `data` is trained on.

    `last_prompts` is the trial's last budget in prompts where that is known; `total_prompts: budget` needs it. Raises
    SpecError for files that cannot be used, are not what was submitted or hold too few prompts, EnvironmentProblem for
    a hub that cannot be reached.
    """
    candidates, kept = candidates_of(data, count_tokens=count_tokens)
    pool = pool_size(data, candidates, kept, last_prompts=last_prompts)
    drawn = slice_for_tau(candidates, pool, data.tau)
    return TrainingSet(drawn, kept, pool, data.tau, drawn.realised_tau(last_prompts or pool))


def candidates_of(data: Data, *, count_tokens: CountTokens | None) -> tuple[Curriculum, Kept]:
    """All prompts that the pool may be taken from, easy to hard; without `count_tokens` long ones are among them."""
    files = training_files(data)
    if isinstance(data, IdentifiedData):
        check_content(files, data.train_sha256, name="data.train")
    rows = read_prompts(files, split="train")
    of_sources = Curriculum(in_curriculum_order(_of_sources(rows, data.sources)))
    distinct = without_near_duplicates(of_sources, heldout_set(data)) if data.drop_near_duplicates else of_sources
    if not len(distinct):
        raise SpecError(f"every row of {data.name} is nearly a held-out problem; correct data.heldout")
    short = without_long_prompts(distinct, data.max_prompt_tokens, count_tokens) if count_tokens else distinct
    kept = Kept(
        rows=len(rows),
        of_sources=len(of_sources),
        near_duplicates=len(of_sources) - len(distinct),
        too_long=len(distinct) - len(short) if count_tokens else None,
    )
    return short, kept


def pool_size(data: Data, candidates: Curriculum, kept: Kept, *, last_prompts: int | None) -> int:
    """How many of the candidates the pool has. Raises SpecError where there are fewer than asked for."""
    asked = last_prompts if data.total_prompts == "budget" else data.total_prompts
    if asked is None and data.total_prompts == "budget":
        raise SpecError("data.total_prompts is `budget`, and the last budget is not known in prompts; give a number")
    if asked is not None and asked > len(candidates):
        raise SpecError(f"data.total_prompts is {asked:,}, and {data.name} has {_told(data, kept)}; ask for fewer")
    return len(candidates) if asked is None else asked


def _told(data: Data, kept: Kept) -> str:
    """Such as `12,793 prompts: 12,800 rows, less 7 of more than 2,048 tokens`."""
    dropped = {
        "of other sources": kept.rows - kept.of_sources,
        "that are nearly held-out problems": kept.near_duplicates,
        f"of more than {data.max_prompt_tokens:,} tokens": kept.too_long or 0,
    }
    reasons = [f"{count:,} {reason}" for reason, count in dropped.items() if count]
    return f"{kept.left:,} prompts" + (f": {kept.rows:,} rows, less {', '.join(reasons)}" if reasons else "")


def _of_sources(rows: tuple[Prompt, ...], sources: tuple[str, ...] | None) -> tuple[Prompt, ...]:
    if sources is None:
        return rows
    kept = tuple(row for row in rows if row.data_source.startswith(sources))
    if not kept:
        there = ", ".join(sorted({row.data_source for row in rows}))
        raise SpecError(f"data.sources is {', '.join(sources)}, and no row's data_source starts so; there are: {there}")
    return kept
