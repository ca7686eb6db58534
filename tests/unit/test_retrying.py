"""Whether a trial is tried again, when and where, follows from what its attempts recorded and from nothing else."""

from __future__ import annotations

from db.store.plan import EndedAttempt
from orchestrator.launching.retrying import Verdict, verdict
from orchestrator.sweepfile.retry import Retry, RetryPolicy


def ended(
    failure_class: str | None, *, resumed: int | None = 0, ago: float = 0.0, node: str | None = None
) -> EndedAttempt:
    return EndedAttempt(1, "lost", failure_class, "It ended.", node, resumed, ago)


def test_a_trial_without_a_failure_is_started_at_once() -> None:
    assert verdict([], Retry()) == Verdict()
    assert verdict([ended(None)], Retry()) == Verdict()


def test_it_is_given_up_after_as_many_retries_as_its_class_has() -> None:
    retry = Retry(died=RetryPolicy(max=2))
    assert verdict([ended("died")] * 2, retry).given_up is None
    told = verdict([ended("died")] * 3, retry).given_up
    assert told == "It ended. Not tried again: retry.died.max is 2, and it made no progress in between."
    assert verdict([ended("code")], retry).given_up


def test_classes_are_counted_apart() -> None:
    retry = Retry(died=RetryPolicy(max=1), preempted=RetryPolicy(max=1))
    assert verdict([ended("died"), ended("preempted"), ended("died")], retry).given_up
    assert verdict([ended("died"), ended("preempted")], retry).given_up is None


def test_progress_begins_the_count_anew() -> None:
    retry = Retry(preempted=RetryPolicy(max=1))
    nights = [ended("preempted", resumed=step) for step in (0, 20, 40, 60)]
    assert verdict(nights, retry).given_up is None
    stuck = [*nights, ended("preempted", resumed=None), ended("preempted", resumed=60)]
    assert verdict(stuck, retry).given_up, "one that died before it had its checkpoint made no progress"


def test_the_pause_doubles_and_ends_with_an_hour() -> None:
    retry = Retry(disk_full=RetryPolicy(max=100, backoff_seconds=300))
    pauses = [verdict([ended("disk_full")] * number, retry).wait_seconds for number in (1, 2, 3, 5)]
    assert pauses == [300, 600, 1200, 3600]
    assert verdict([ended("disk_full", ago=290)], retry).wait_seconds == 10
    assert verdict([ended("disk_full", ago=1000)], retry).wait_seconds == 0


def test_nodes_are_avoided_as_long_as_the_trial_comes_no_further() -> None:
    attempts = [ended("nccl", node="a"), ended("died", node="b"), ended("nccl", node="c")]
    assert verdict(attempts, Retry()).avoid == ("c", "a")
    assert verdict([*attempts, ended("nccl", resumed=20, node="d")], Retry()).avoid == ("d",)


def test_a_class_of_an_older_version_is_treated_as_a_bug() -> None:
    assert verdict([ended("stall")], Retry()).given_up
