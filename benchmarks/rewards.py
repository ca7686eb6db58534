"""How fast a step's 4,096 answers are judged: two worker processes beside math-verify called in one process.

Answers are 512 problems x 8 completions of some 2,000 characters, two in three right, a quarter without a box. Beside
them, in the same run: `parse` and `verify` of math-verify on the same texts, one after the other, the parsed gold kept.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import count

from benchmarks.measure import print_figure, time_function
from workers.rewards import Answer, Mode
from workers.rewards.pool import RewardPool

PROBLEMS, COMPLETIONS, PROCESSES = 512, 8, 2
REASONING = "We add the two sides, compare the terms of the same degree and simplify what is left. "


def steps_of_answers() -> Iterator[list[Answer]]:
    """New problems at every step, so that nothing is remembered from the one before."""
    return (_step(random.Random(number)) for number in count())


def _step(drawn: random.Random) -> list[Answer]:
    golds = [_gold(drawn) for _ in range(PROBLEMS)]
    return [Answer("math__benchmark", _completion(drawn, gold), gold) for gold in golds for _ in range(COMPLETIONS)]


def _gold(drawn: random.Random) -> str:
    a, b, c = (drawn.randint(1, 999) for _ in range(3))
    kinds = (
        f"{a}",
        f"{a}",
        f"\\frac{{{a}}}{{{b}}}",
        f"{a}\\sqrt{{{b}}}",
        f"({a}, {b}]",
        f"x^2 + {a}x - {b}",
        f"{a}, {b}, {c}",
    )
    return drawn.choice(kinds)


def _completion(drawn: random.Random, gold: str) -> str:
    """Every one different, as a model's are."""
    reasoning = f"Attempt {drawn.random()}. " + REASONING * drawn.randint(15, 30)
    kind = drawn.randrange(12)
    answer = gold if kind < 8 else _gold(drawn)
    return f"{reasoning}The answer is ${answer}$." if kind in (0, 1, 8) else f"{reasoning}So it is \\boxed{{{answer}}}."


def serially(answers: Sequence[Answer]) -> int:
    """How many math-verify finds right, one after the other."""
    from math_verify import parse, verify

    gold = cache(lambda truth: parse(f"\\boxed{{{truth}}}"))
    return sum(bool(verify(gold(str(answer.truth)), parse(answer.text))) for answer in answers)


def main() -> None:
    logging.disable(logging.CRITICAL)
    steps = steps_of_answers()
    serial = time_function(lambda: serially(next(steps)), runs=3)
    print_figure("math-verify, one process, one after the other", serial, beside=_pace(serial.median))
    modes: tuple[Mode, ...] = ("fixed", "paper")
    for mode in modes:
        steps = steps_of_answers()
        with RewardPool(processes=PROCESSES) as pool:
            timing = time_function(partial(_judge_next, pool, steps, mode), runs=5)
        ratio = timing.median / serial.median
        print_figure(
            f"{PROCESSES} worker processes, `{mode}`",
            timing,
            target="<= 0.60 x" if mode == "fixed" else "",
            met=ratio <= 0.60,
            beside=f"{ratio:.2f} x, {_pace(timing.median)}",
        )


def _judge_next(pool: RewardPool, steps: Iterator[list[Answer]], mode: Mode) -> None:
    pool.judge(next(steps), mode=mode)


def _pace(seconds: float) -> str:
    return f"{PROBLEMS * COMPLETIONS / seconds:,.0f} answers/s"


if __name__ == "__main__":
    main()
