"""Whether a trial is tried again after its last attempt, when, and where not: from what its attempts recorded.

Only from that, so that a driver that takes over counts as the one before it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.store.plan import EndedAttempt
from orchestrator.sweepfile.retry import Retry, RetryPolicy

_LONGEST_PAUSE_SECONDS = 3600.0


@dataclass(frozen=True)
class Verdict:
    """What is to be done with a trial that has no end. `given_up`: why it is not tried again; None: it is.

    `wait_seconds` from now; `avoid`: nodes of the Ray cluster that it should not be given.
    """

    given_up: str | None = None
    wait_seconds: float = 0.0
    avoid: tuple[str, ...] = ()


def verdict(attempts: Sequence[EndedAttempt], retry: Retry) -> Verdict:
    """`attempts` in order, those alone that count: since a person last had the trial tried again."""
    if not attempts or attempts[-1].failure_class is None:
        return Verdict()
    last, streak = attempts[-1], _without_progress(attempts)
    assert last.failure_class is not None
    policy = retry.of(last.failure_class)
    alike = [each for each in streak if each.failure_class == last.failure_class]
    if len(alike) > policy.max:
        return Verdict(given_up=_given_up(last.message or last.failure_class, last.failure_class, policy))
    pause = min(policy.backoff_seconds * 2 ** (len(alike) - 1), _LONGEST_PAUSE_SECONDS)
    avoid = [each.node_id for each in streak if each.node_id and _excludes(each, retry)]
    return Verdict(wait_seconds=max(pause - last.seconds_ago, 0.0), avoid=tuple(dict.fromkeys(avoid)))


def _given_up(message: str, failure_class: str, policy: RetryPolicy) -> str:
    """One that is not tried again at all needs no other reason than its own."""
    if not policy.max:
        return message
    ended = message if message.endswith((".", "!", "?")) else f"{message}."
    return f"{ended} Not tried again: retry.{failure_class}.max is {policy.max}, and it made no progress in between."


def _without_progress(attempts: Sequence[EndedAttempt]) -> list[EndedAttempt]:
    """The last attempts that all went on from where the last one did; one that died before it got there counts too."""
    start = next((each.resumed_from_step for each in reversed(attempts) if each.resumed_from_step is not None), None)
    streak: list[EndedAttempt] = []
    for each in reversed(attempts):
        if each.resumed_from_step not in (None, start):
            break
        streak.append(each)
    return streak


def _excludes(attempt: EndedAttempt, retry: Retry) -> bool:
    return attempt.failure_class is not None and retry.of(attempt.failure_class).exclude_node
