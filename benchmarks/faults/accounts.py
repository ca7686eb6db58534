"""What a disturbed sweep has to show: every trial ended once, with the undisturbed numbers, and honest books."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.faults.sweep import CHECKPOINT_STEPS, STEPS, TRIALS
from tests.e2e.command_line import CommandLine

_FLOPS = "s.generation_flops + COALESCE(s.old_logprob_flops, 0) + COALESCE(s.reference_flops, 0) + s.train_flops"


@dataclass(frozen=True)
class Account:
    """What a sweep paid. `problems`: sentences, each of something that should not be."""

    paid_flops: float
    useful_flops: float
    lost_steps: list[int]  # of every attempt that did not end its trial
    problems: list[str]


def account(rlsweep: CommandLine, undisturbed: CommandLine) -> Account:
    """Compare with the undisturbed sweep, and count again from single steps what the views add up."""
    costs, lost, lost_steps = _counted_again(rlsweep)
    paid, useful = sum(costs.values()), sum(costs.values()) - sum(costs[each] for each in lost)
    ledger = rlsweep.rows("SELECT SUM(paid_flops), SUM(useful_flops), SUM(lost_flops) FROM flop_ledger")[0]
    ought = undisturbed.rows("SELECT SUM(paid_flops) FROM flop_ledger")[0][0]
    problems = [
        *_ends(rlsweep),
        *([] if rlsweep.curve() == undisturbed.curve() else ["a curve is not that of the undisturbed sweep"]),
        *_differs("paid FLOPs, steps against flop_ledger", paid, ledger[0]),
        *_differs("useful FLOPs, steps against flop_ledger", useful, ledger[1]),
        *_differs("lost FLOPs, paid less useful against flop_ledger", paid - useful, ledger[2] or 0.0),
        *_differs("useful FLOPs against what the undisturbed sweep paid", useful, ought),
    ]
    # One whole distance to the last checkpoint, and one more while that is being written.
    most = max(lost_steps, default=0)
    if most > 2 * CHECKPOINT_STEPS:
        problems.append(f"one attempt cost {most} steps, with a checkpoint every {CHECKPOINT_STEPS}")
    return Account(paid, useful, lost_steps, problems)


def _counted_again(
    rlsweep: CommandLine,
) -> tuple[dict[tuple[int, int, int], float], set[tuple[int, int, int]], list[int]]:
    """The cost of every step; those that a later attempt took again; how many of them each such attempt had."""
    steps = rlsweep.rows(f"SELECT s.trial_id, s.attempt, s.step, {_FLOPS} FROM step s")
    resumed = rlsweep.rows("SELECT trial_id, number, resumed_from_step FROM attempt")
    lost = {
        (trial, attempt, step)
        for trial, attempt, step, _ in steps
        for other, number, start in resumed
        if other == trial and number > attempt and start is not None and start < step
    }
    ended_early = [(trial, number) for trial, number in rlsweep.rows(
        "SELECT trial_id, number FROM attempt WHERE state <> 'succeeded'"
    )]  # fmt: skip
    lost_steps = [sum(each[:2] == key for each in lost) for key in ended_early]
    return {(trial, attempt, step): flops for trial, attempt, step, flops in steps}, lost, lost_steps


def _ends(rlsweep: CommandLine) -> list[str]:
    """Every trial has one end, every step one live row, and no attempt is left in the middle."""
    problems = []
    attempts: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for trial, number, state in rlsweep.rows("SELECT trial_id, number, state FROM attempt ORDER BY trial_id, number"):
        attempts[trial].append((number, state))
    for trial, state in rlsweep.rows("SELECT id, state FROM trial"):
        ends = [number for number, end in attempts[trial] if end == "succeeded"]
        if state != "succeeded" or ends != [attempts[trial][-1][0]]:
            problems.append(f"trial {trial} is {state}, of its attempts {attempts[trial]}")
        if any(later != former + 1 for (former, _), (later, _) in pairwise(attempts[trial])):
            problems.append(f"trial {trial}: attempts are missing: {attempts[trial]}")
    live = rlsweep.rows("SELECT trial_id, step FROM live_step ORDER BY trial_id, step")
    if live != [(trial, step) for trial in range(1, TRIALS + 1) for step in range(1, STEPS + 1)]:
        problems.append("a step is missing, or is there twice")
    return problems


def _differs(what: str, one: float, other: float) -> list[str]:
    return [] if abs(one - other) <= 1e-9 * max(abs(one), abs(other)) else [f"{what}: {one:.12g} and {other:.12g}"]
