"""The verdicts on a draw's completions as the rewards that TRL takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workers.rewards import Answer, Mode, Verdict, tally
from workers.training.block_observer import BlockObserver

Judge = Callable[..., list[Verdict]]


def reward_function(judge: Judge, *, mode: Mode, observer: BlockObserver) -> Callable[..., list[float | None]]:
    """The function that TRL calls with every completion of a draw and the columns of its prompt's row.

    An answer that could not be judged, because the scorer failed or ran out of time, is worth 0 in mode `paper`, as in
    the study. In mode `fixed` it is worth nothing known: None, which TRL leaves out of its group's mean and gives no
    advantage.
    """

    def correct(
        *, completions: Sequence[list[dict[str, Any]]], answer: Sequence[str], data_source: Sequence[str], **_: Any
    ) -> list[float | None]:
        answers = [
            Answer(source, final_answer(turns), truth)
            for source, turns, truth in zip(data_source, completions, answer, strict=True)
        ]
        verdicts = judge(answers, mode=mode)
        observer.verdicts.append(tally(answers, verdicts))
        return [verdict.reward if mode == "paper" else verdict.score for verdict in verdicts]

    return correct


def final_answer(turns: Sequence[dict[str, Any]]) -> str:
    """What the policy says at the end; nothing where a call or a tool's result is the end, so it has not answered.

    TRL takes a model's reasoning apart from what it says, where there are tools; the scorers know them together.
    """
    last = turns[-1]
    if last["role"] != "assistant" or last.get("tool_calls"):
        return ""
    reasoning = last.get("reasoning_content")
    said: str = last["content"]
    return f"<think>{reasoning}</think>{said}" if reasoning else said
