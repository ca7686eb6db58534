"""The right answers to the questions of docs/analysts.md, worked out from the study itself, without a database."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from importlib.metadata import version
from statistics import fmean, stdev
from typing import Any, TypeAlias

from db.records import EvaluationRecord, StepRecord
from tests.study_data import (
    BENCHMARK,
    EVALUATED,
    LARGE,
    LAST_STEP,
    MIDDLE,
    PEAK_FLOPS,
    PROMPTS,
    PROTOCOL,
    STUDY,
    Part,
    Run,
)

Rows: TypeAlias = list[tuple[Any, ...]]

ANSWERS: dict[str, Callable[[], Rows]] = {}
SIZES, REUSE = STUDY.sweeps["sizes"], STUDY.sweeps["reuse"]


def answers(question: str) -> Callable[[Callable[[], Rows]], Callable[[], Rows]]:
    """Register the right answer to a question of the page."""

    def register(answer: Callable[[], Rows]) -> Callable[[], Rows]:
        ANSWERS[question] = answer
        return answer

    return register


def loss(evaluation: EvaluationRecord) -> float:
    return 1.0 - evaluation.score


def groups_of(runs: Iterable[Run], key: Callable[[Run], Any]) -> dict[Any, list[Run]]:
    found: dict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        found[key(run)].append(run)
    return dict(sorted(found.items()))


def by_size(runs: Iterable[Run]) -> list[tuple[str, int, list[Run]]]:
    """(name, parameters, runs) of each size, the smallest first."""
    found = groups_of(runs, lambda run: (run.size.num_params, run.size.name))
    return [(name, num_params, each) for (num_params, name), each in found.items()]


def last_within(run: Run, budget: float) -> EvaluationRecord | None:
    """The last score within a budget of FLOPs; None if the run never got that far."""
    if max(run.flops_at.values()) < budget:
        return None
    return [each for each in run.live_evaluations if run.flops_at[each.step] <= budget][-1]


def trial_ids() -> dict[Run, int]:
    """Trials are numbered as their sweeps name them first."""
    return {run: number for number, run in enumerate(STUDY.runs, start=1)}


def succeeded(run: Run) -> bool:
    end = run.parts[-1].end if run.parts else None
    return end is not None and end.state == "succeeded"


def flops_of(steps: Iterable[StepRecord]) -> float:
    return sum(
        (s.generation_flops or 0) + (s.old_logprob_flops or 0) + (s.reference_flops or 0) + (s.train_flops or 0)
        for s in steps
    )


def attempts() -> list[tuple[Run, Part, float]]:
    """Every attempt that ran here, with the last of its steps that counts."""
    return [(run, part, last) for run in STUDY.runs for part, last in zip(run.parts, run.lives_through, strict=True)]


def lost_steps(part: Part, last: float) -> list[StepRecord]:
    return [step for step in part.steps if step.step > last]


@answers("names")
def names() -> Rows:
    rows: Rows = [
        (sweep, BENCHMARK, PROTOCOL, sum(len(run.live_evaluations) for run in runs))
        for sweep, runs in STUDY.sweeps.items()
    ]
    return sorted([*rows, ("curves", "heldout-500", "imported", sum(len(run.evaluations) for run in STUDY.imported))])


@answers("Which size wins at 1e19 FLOPs?")
def size_at_budget() -> Rows:
    rows: Rows = []
    for name, num_params, runs in by_size(SIZES):
        found = [(run.flops_at[last.step], loss(last)) for run in runs if (last := last_within(run, 1e19))]
        losses = [each for _, each in found]
        rows.append((name, num_params, len(found), fmean(x for x, _ in found), fmean(losses), min(losses), max(losses)))
    return sorted(rows, key=lambda row: row[4])


@answers("How fast does each size learn?")
def learning_efficiency() -> Rows:
    rows: Rows = []
    for name, num_params, runs in by_size(SIZES):
        slopes = [slope(run) for run in runs if len(run.live_evaluations) > 3]
        rows.append((name, num_params, len(slopes), fmean(slopes), min(slopes), max(slopes)))
    return rows


def slope(run: Run) -> float:
    points = [(math.log(512 * each.step), math.log(loss(each))) for each in run.live_evaluations if each.step]
    mean_x, mean_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    return -sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


@answers("Does reusing data hurt, at equal data?")
def data_reuse() -> Rows:
    common = min(run.live_evaluations[-1].step for run in REUSE)
    at_common = {(run.tau, run.seed): loss(e) for run in REUSE for e in run.live_evaluations if e.step == common}
    rows: Rows = []
    for tau in (1.0, 5.0, 25.0):
        losses = [at_common[tau, seed] for seed in (0, 1)]
        differences = [at_common[tau, seed] - at_common[1.0, seed] for seed in (0, 1)]
        spread = (fmean(differences), min(differences), max(differences))
        rows.append((tau, 512 * common, 2, fmean(losses), *spread))
    return rows


@answers("Which group size is best for a budget?")
def group_size() -> Rows:
    rows: Rows = []
    of_middle = [run for run in STUDY.runs if run.size is MIDDLE and run.tau is None and run.parts]
    for budget in (5e18, 1e19, 2e19):
        for size, runs in groups_of(of_middle, lambda run: run.group_size).items():
            costs = {step: fmean(run.flops_at[step] for run in runs) for step in EVALUATED}
            if max(costs.values()) < budget:
                continue
            step = max(step for step, cost in costs.items() if cost <= budget)
            losses = [loss(each) for run in runs for each in run.live_evaluations if each.step == step]
            rows.append((budget, size, len(runs), costs[step], fmean(losses)))
    return sorted(rows, key=lambda row: (row[0], row[4], row[1]))


@answers("What did failures cost?")
def failures() -> Rows:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run, part, last in attempts():
        if part.end is None or part.end.state not in ("failed", "lost"):
            continue
        redone = flops_of(lost_steps(part, last))
        stranded = 0.0 if succeeded(run) else flops_of(part.steps) - redone
        found[part.end.failure_class or "lost"].append((redone, stranded))
    paid = sum(flops_of(part.steps) for _, part, _ in attempts())
    rows: Rows = [
        (kind, len(each), len(each), sum(r for r, _ in each), sum(s for _, s in each), sum(r for r, _ in each) / paid)
        for kind, each in found.items()
    ]
    return sorted(rows, key=lambda row: -row[3])


@answers("Where does the time of a step go?")
def phases() -> Rows:
    rows: Rows = []
    for name, runs in groups_of(STUDY.runs, lambda run: run.size.name).items():
        steps = [each for run in runs for each in run.live_steps]
        scores = [each for run in runs for each in run.live_evaluations]
        needed = sum(each.cumulative_flops / each.step for each in steps if each.cumulative_flops)
        of_scores = sum(each.evaluation_flops or 0.0 for each in scores)
        told: list[tuple[str, float, float, float | None]] = [
            ("generation", sum(each.generation_seconds or 0.0 for each in steps), needed / 4, 2.0),
            ("logprob", sum(each.logprob_seconds or 0.0 for each in steps), needed / 4, 2.0),
            ("update", sum(each.update_seconds or 0.0 for each in steps), needed / 2, 1.5),
            ("evaluation", sum(each.seconds or 0.0 for each in scores), of_scores, None),
        ]
        num_gpus = runs[0].size.num_gpus
        for phase, seconds, flops, done in sorted(told, key=lambda each: -each[1]):
            peak = seconds * num_gpus * PEAK_FLOPS
            rows.append((name, phase, seconds, seconds * num_gpus / 3600, flops, done, flops / peak))
    return rows


@answers("How often was each prompt used?")
def exposure() -> Rows:
    rows: Rows = []
    for run, number in trial_ids().items():
        if run.tau is None or not run.parts:
            continue
        prompts = int(PROMPTS * LAST_STEP / run.tau)
        drawn = PROMPTS * len(run.live_steps)
        rows.append((run.size.name, run.tau, number, prompts, drawn // prompts, -(-drawn // prompts), drawn / prompts))
    return sorted(rows)


@answers("How much of each sweep is done?")
def coverage() -> Rows:
    rows: Rows = []
    for sweep, runs in sorted(STUDY.sweeps.items()):
        states = Counter(state(run) for run in runs)
        share = fmean(len(run.live_steps) / 12 for run in runs)
        tries = sum(len(run.parts) for run in runs)
        done = (states["succeeded"], states["failed"], states["running"], states["planned"])
        rows.append((sweep, len(runs), *done, share, tries))
    return [("curves", 2, 2, 0, 0, 0, None, 2), *rows]


def state(run: Run) -> str:
    if not run.parts:
        return "planned"
    end = run.parts[-1].end
    return "running" if end is None else str(end.state)


@answers("Which trials are worse now than they were?")
def regressions() -> Rows:
    rows: Rows = []
    for run, number in trial_ids().items():
        if not run.parts:
            continue
        best, last = min(map(loss, run.live_evaluations)), run.live_evaluations[-1]
        assert last.standard_error is not None
        if loss(last) - best > 2 * last.standard_error:
            told = (number, run.size.name, run.tau, run.group_size, run.seed)
            rows.append((*told, best, loss(last), loss(last) - best, last.standard_error))
    assert rows, "the study has a trial that collapses"
    return sorted(rows, key=lambda row: -row[7])


@answers("Which problems does no size solve, and which only the largest?")
def unsolved_problems() -> Rows:
    done = [run for run in SIZES if succeeded(run)]
    rows: Rows = []
    for number in range(10):
        solving = [run for run in done if run.live_evaluations[-1].results[number].successes]
        smallest = min((run.size.num_params for run in solving), default=None)
        if smallest in (None, LARGE.num_params):
            rows.append((number, f"{number:064x}", len(done), len(solving), smallest))
    return sorted(rows, key=lambda row: (row[4] is not None, row[0]))


@answers("Where did the GPU-hours go?")
def gpu_hours() -> Rows:
    hours: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for run, part, last in attempts():
        gpus = run.size.num_gpus / 3600
        host = hours[part.host]
        host[0] += 1
        host[1] += gpus * sum(step.step_seconds or 0 for step in part.steps)
        host[2] += gpus * sum(step.step_seconds or 0 for step in lost_steps(part, last))
        host[3] += gpus * sum(each.seconds or 0 for each in part.evaluations)
    return sorted(((host, *values) for host, values in hours.items()), key=lambda row: -row[2])


@answers("Does the engine drift from the policy?")
def drift() -> Rows:
    blocks: dict[tuple[str, int], list[float]] = defaultdict(list)
    for run in STUDY.runs:
        for step in run.live_steps:
            if step.sampling_logprob_difference is not None:
                first = 1 if step.step <= 10 else 11
                blocks[run.size.name, first].append(step.sampling_logprob_difference)
    return [(*key, len(values), fmean(values), max(values)) for key, values in sorted(blocks.items())]


@answers("Where are completions cut off?")
def truncation() -> Rows:
    rows: Rows = []
    for run, number in trial_ids().items():
        over = [step for step in run.live_steps if (step.truncated_share or 0) > 0.1]
        if over:
            worst = max(step.truncated_share or 0 for step in over)
            rows.append((number, run.size.name, run.seed, len(over), over[0].step, worst))
    return sorted(rows, key=lambda row: (-row[5], row[0]))


@answers("Do seeds differ more than the evaluation's noise?")
def seeds() -> Rows:
    rows: Rows = []
    for name, num_params, runs in by_size(run for run in SIZES if succeeded(run)):
        last = [run.live_evaluations[-1] for run in runs]
        losses = [loss(each) for each in last]
        noise = math.sqrt(fmean((each.standard_error or math.nan) ** 2 for each in last))
        rows.append((name, num_params, len(runs), fmean(losses), stdev(losses), noise))
    return rows


@answers("What does evaluating cost?")
def evaluation_cost() -> Rows:
    rows: Rows = []
    for name, num_params, runs in by_size(STUDY.runs):
        parts = [part for run in runs for part in run.parts]
        paid = sum(flops_of(part.steps) for part in parts)
        scoring = sum(each.evaluation_flops or 0.0 for part in parts for each in part.evaluations)
        rows.append((name, num_params, paid, scoring, scoring / (paid + scoring)))
    return rows


@answers("What did each sweep cost, by phase?")
def cost_by_phase() -> Rows:
    rows: Rows = []
    for sweep, runs in sorted(STUDY.sweeps.items()):
        launched = [run for run in runs if sweep != "groups" or run not in SIZES]
        parts = [each for run in launched for each in zip(run.parts, run.lives_through, strict=True)]
        steps = [step for part, _ in parts for step in part.steps]
        phases = ("generation_flops", "old_logprob_flops", "reference_flops", "train_flops")
        scoring = float(sum(each.evaluation_flops or 0 for part, _ in parts for each in part.evaluations))
        lost = float(sum(flops_of(lost_steps(part, last)) for part, last in parts))
        by_phase = [sum(getattr(step, phase) for step in steps) for phase in phases]
        rows.append((sweep, len(parts), *by_phase, scoring, flops_of(steps), lost))
    return rows


@answers("Which fits are there, and what speaks against them?")
def fits() -> Rows:
    warning = ("F05", "The order of the two largest sizes is not established.")
    return [
        (1, "sizes", "samples", "saturating", "identified", 0.25, 0.2, 0.3, 1e9, 0.96, 0.3, 0.2, *warning),
        (2, None, "flops", "free", "free_slopes_only", None, None, None, None, 0.96, 0.3, None, None, None),
    ]


@answers("What code made which trial?")
def provenance() -> Rows:
    rows: Rows = []
    for run, number in trial_ids().items():
        for place, (part, last) in enumerate(zip(run.parts, run.lives_through, strict=True), start=1):
            if not [step for step in part.steps if step.step <= last]:
                continue
            through = None if math.isinf(last) else int(last)
            engine = ("vllm", "2.11.0", "1.16.0", "0.31.0") if run.tau is None else (
                "transformers", "2.11.0", "1.16.0", None)  # fmt: skip
            code = (part.git_revision, part.git_dirty, "0.1.0")
            rows.append((number, run.size.name, run.seed, place, part.resumed_from, through, *code, *engine))
    return rows


@answers("Where do imported runs come from?")
def imports() -> Rows:
    file = STUDY.imported_file
    return [
        ("curves", run.name, "csv", file.path, file.sha256, version("rlsweep"), 3, len(run.evaluations))
        for run in STUDY.imported
    ]
