"""A small study, made by hand, for tests of what analysts ask; `tests.study_database` writes it.

Four sweeps: model sizes, group sizes (which shares trials with the first), data reuse, and runs from a file. Every
number is in `STUDY`, so that a test can work out an answer without a database and hold the SQL to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from db.records import (
    AttemptEnd,
    DataSetRecord,
    EvaluationRecord,
    ImportedFile,
    ImportedRun,
    ModelRecord,
    ProblemResult,
    StepRecord,
)
from db.states import AttemptState

BENCHMARK, PROTOCOL = "heldout", "sampled-n4-t0.7-v2"
NUM_PROBLEMS, SAMPLES = 10, 4
LAST_STEP, EVALUATED = 12, (0, 1, 2, 4, 8, 12)
PROMPTS, TOKENS = 512, 1_000_000
PEAK_FLOPS = 989.4e12  # of one GPU

HELD_OUT = DataSetRecord(
    "heldout", None, "e" * 64, NUM_PROBLEMS, problem_sha256s=tuple(f"{number:064x}" for number in range(NUM_PROBLEMS))
)


@dataclass(frozen=True)
class Size:
    """A model, what a step with groups of eight costs it, and how well it does."""

    name: str
    num_params: int
    step_flops: float
    num_gpus: float
    ability: float
    gain: float


SMALL = Size("qwen-0.5b", 358_000_000, 0.9e18, 1.0, 0.8, 0.25)
MIDDLE = Size("qwen-3b", 2_775_000_000, 2.0e18, 2.0, 1.2, 0.4)
LARGE = Size("qwen-7b", 6_525_000_000, 4.5e18, 8.0, 1.6, 0.75)


@dataclass(frozen=True)
class Part:
    """One attempt at a run: where it went on, what it did, how it ended. `end` is None while it is running."""

    host: str
    resumed_from: int
    steps: tuple[StepRecord, ...]
    evaluations: tuple[EvaluationRecord, ...]
    end: AttemptEnd | None
    git_revision: str = "a" * 40
    git_dirty: bool = False
    has_engine: bool = True


@dataclass(frozen=True)
class Run:
    """A trial with its attempts, in order; none where it has not been started."""

    size: Size
    seed: int
    tau: float | None
    group_size: int
    parts: tuple[Part, ...]

    @property
    def lives_through(self) -> tuple[float, ...]:
        """For each attempt, the last step that no later attempt has taken again."""
        later = [part.resumed_from for part in self.parts]
        return tuple(min(later[place + 1 :], default=math.inf) for place in range(len(later)))

    @property
    def live_steps(self) -> list[StepRecord]:
        """The steps that count, by number."""
        return [
            each
            for part, last in zip(self.parts, self.lives_through, strict=True)
            for each in part.steps
            if each.step <= last
        ]

    @property
    def live_evaluations(self) -> list[EvaluationRecord]:
        """The scores that count, by step."""
        return [
            each
            for part, last in zip(self.parts, self.lives_through, strict=True)
            for each in part.evaluations
            if each.step <= last
        ]

    @property
    def flops_at(self) -> dict[int, float]:
        """FLOPs of generation and training after each live step."""
        return {0: 0.0} | {each.step: each.cumulative_flops or 0.0 for each in self.live_steps}


@dataclass(frozen=True)
class Study:
    """The runs of each sweep by its name, those that were imported, and the file that they came from."""

    sweeps: dict[str, tuple[Run, ...]]
    imported: tuple[ImportedRun, ...]
    imported_file: ImportedFile

    @property
    def runs(self) -> list[Run]:
        """Every run once, the shared ones in the sweep that launched them."""
        return list(dict.fromkeys(run for runs in self.sweeps.values() for run in runs))


def _step(run: Run, number: int) -> StepRecord:
    flops = run.size.step_flops * run.group_size / 8
    seconds = 30.0 * run.group_size / 8
    difference = None if run.tau else 0.001 * number * (1 + run.seed)
    truncated = 0.02 * number if run.size is LARGE else 0.01
    return StepRecord(
        step=number, samples=PROMPTS, prompt_tokens=TOKENS // 4, completion_tokens=TOKENS - TOKENS // 4,
        cumulative_samples=PROMPTS * number, cumulative_tokens=TOKENS * number, cumulative_flops=flops * number,
        cumulative_paper_flops=None, cumulative_seconds=seconds * number, generation_flops=0.25 * flops,
        old_logprob_flops=0.125 * flops, reference_flops=0.125 * flops, train_flops=0.5 * flops, flops_version=1,
        step_seconds=seconds, generation_seconds=0.5 * seconds, logprob_seconds=0.1 * seconds, reward_seconds=1.0,
        update_seconds=0.3 * seconds, loss=0.1, reward=0.3, reward_std=0.4, zero_variance_share=0.25, entropy=0.5,
        clipped_share=0.01, gradient_norm=1.0, learning_rate=1e-6, mean_completion_tokens=200.0,
        max_completion_tokens=900.0, truncated_share=truncated, sampling_logprob_difference=difference,
        cumulative_gpu_seconds=seconds * number * run.size.num_gpus, executed_generation_flops=0.5 * flops,
        executed_old_logprob_flops=0.25 * flops, executed_reference_flops=0.25 * flops,
        executed_train_flops=0.75 * flops, executed_flops_version=1,
    )  # fmt: skip


def _evaluation(run: Run, step: int, *, offset: float = 0.0) -> EvaluationRecord:
    """Harder problems have higher numbers; the last one is beyond every size."""
    ability = run.size.ability + run.size.gain * math.log2(1 + step) + 0.35 * run.seed + offset
    ability -= 0.15 * math.log2(run.tau or 1) - 0.3 * math.log2(run.group_size / 8)
    counts = [max(0, min(SAMPLES, math.floor(2 + 2 * ability - number))) for number in range(NUM_PROBLEMS - 1)] + [0]
    rates = [count / SAMPLES for count in counts]
    mean = sum(rates) / len(rates)
    variance = sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1)
    return EvaluationRecord(
        step, BENCHMARK, PROTOCOL, score=mean, problems=NUM_PROBLEMS, samples_per_problem=SAMPLES,
        successes=sum(counts), standard_error=math.sqrt(variance / len(rates)),
        evaluation_flops=run.size.step_flops / 16, seconds=6.0, data_set_sha256=HELD_OUT.sha256,
        results=tuple(ProblemResult(number, successes=count) for number, count in enumerate(counts)),
    )  # fmt: skip


def _part(
    run: Run, first: int, last: int, *, state: AttemptState | None = AttemptState.SUCCEEDED, host: str = "node-1",
    failure_class: str | None = None, message: str | None = None, offset: float = 0.0, is_first: bool = False,
) -> Part:  # fmt: skip
    """The attempt that continues step `first` and takes those up to `last`; only the first one scores step 0."""
    due = [step for step in EVALUATED if first < step <= last or (step == 0 and is_first)]
    end = None if state is None else AttemptEnd(state, message, failure_class)
    return Part(
        host=host,
        resumed_from=first,
        steps=tuple(_step(run, number) for number in range(first + 1, last + 1)),
        evaluations=tuple(_evaluation(run, step, offset=offset) for step in due),
        end=end,
        has_engine=run.tau is None,
    )


def _whole(size: Size, seed: int, *, tau: float | None = None, group_size: int = 8, host: str = "node-1") -> Run:
    run = Run(size, seed, tau, group_size, ())
    return replace(run, parts=(_part(run, 0, LAST_STEP, host=host, is_first=True),))


def _lost_and_resumed(run: Run) -> Run:
    """Lost after step 9, went on from the checkpoint of step 4 on another host and with newer code."""
    first = _part(run, 0, 9, state=AttemptState.LOST, host="node-1", offset=0.5, is_first=True)
    kept = tuple(_evaluation(run, each.step) if each.step <= 4 else each for each in first.evaluations)
    second = replace(_part(run, 4, LAST_STEP, host="node-2"), git_revision="b" * 40, git_dirty=True)
    return replace(run, parts=(replace(first, evaluations=kept), second))


def _failed_and_started_again(run: Run) -> Run:
    first = _part(
        run, 0, 3, state=AttemptState.FAILED, failure_class="gpu_memory", message="CUDA out of memory", host="node-2",
        is_first=True,
    )  # fmt: skip
    return replace(run, parts=(first, _part(run, 0, LAST_STEP, host="node-2")))


def _interrupted_and_resumed(run: Run) -> Run:
    """Ends a little worse than it was, by less than its noise."""
    first = _part(run, 0, 6, state=AttemptState.INTERRUPTED, is_first=True)
    scores = (_evaluation(run, 8), _evaluation(run, LAST_STEP, offset=-0.8))
    parts = (first, replace(_part(run, 6, LAST_STEP), evaluations=scores))
    return replace(run, parts=parts)


def _failed(run: Run) -> Run:
    first = _part(
        run, 0, 5, state=AttemptState.FAILED, failure_class="numerical", message="loss became nan", is_first=True
    )
    return replace(run, parts=(first,))


def _collapsed(run: Run) -> Run:
    """Forgets everything between its last two scores."""
    whole = _part(run, 0, LAST_STEP, is_first=True)
    scores = (*whole.evaluations[:-1], _evaluation(run, LAST_STEP, offset=-4.0))
    return replace(run, parts=(replace(whole, evaluations=scores),))


def _running(run: Run) -> Run:
    return replace(run, parts=(_part(run, 0, 1, state=None, host="node-3", is_first=True),))


def _study() -> Study:
    middle = (
        _whole(MIDDLE, 0),
        _whole(MIDDLE, 1),
    )
    sizes = (
        _whole(SMALL, 0),
        _whole(SMALL, 1),
        *middle,
        _failed_and_started_again(Run(MIDDLE, 2, None, 8, ())),
        _whole(LARGE, 0, host="node-2"),
        _lost_and_resumed(Run(LARGE, 1, None, 8, ())),
        _running(Run(LARGE, 2, None, 8, ())),
    )
    groups = (
        _whole(MIDDLE, 0, group_size=4),
        _whole(MIDDLE, 1, group_size=4),
        *middle,
        _interrupted_and_resumed(Run(MIDDLE, 0, None, 16, ())),
        Run(MIDDLE, 1, None, 16, ()),
    )
    reuse = (
        _whole(MIDDLE, 0, tau=1.0),
        _whole(MIDDLE, 1, tau=1.0),
        _whole(MIDDLE, 0, tau=5.0),
        _whole(MIDDLE, 1, tau=5.0),
        _collapsed(Run(MIDDLE, 0, 25.0, 8, ())),
        _failed(Run(MIDDLE, 1, 25.0, 8, ())),
    )
    file = ImportedFile("/data/curves.csv", "csv", "c" * 64, 4321, {"loss": "test_loss"})
    return Study({"sizes": sizes, "groups": groups, "reuse": reuse}, tuple(_imported()), file)


def _imported() -> Iterator[ImportedRun]:
    """Two runs of which a file says little more than their losses."""
    for name, num_params in (("base-14B", 14_000_000_000), ("base-72B", None)):
        yield ImportedRun(
            name=name, model=ModelRecord(name, num_params), data=None, algorithm=None, seed=None, group_size=None,
            prompts_per_step=None, updates_per_step=None, learning_rate=None, kl_coefficient=None, tau=None,
            steps=tuple(StepRecord(step=number, cumulative_samples=512 * number) for number in (1, 2, 3)),
            evaluations=tuple(
                EvaluationRecord(step, "heldout-500", "imported", score=0.3 + 0.1 * step, problems=500)
                for step in (1, 2, 3)
            ),
        )  # fmt: skip


STUDY = _study()
