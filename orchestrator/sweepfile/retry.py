"""The section `retry` of a sweep file: by class of failure, how often a trial is tried again and what changes first."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from workers.spec import Count, Strict


class RetryPolicy(Strict):
    """How often a trial is tried again, without progress in between, after a failure of one class.

    Progress is a checkpoint that a later attempt went on from: a trial that is preempted every night is not given up
    as long as it comes further every day. The pause before the next attempt doubles with each, to an hour at most.
    """

    max: Count
    backoff_seconds: Annotated[float, Field(ge=0)] = 0.0
    halve: Literal["micro_batch"] | None = None
    exclude_node: bool = False


class Retry(Strict):
    """A policy for each class of failure. A bug, or a specification that is wrong, is never tried again by itself."""

    preempted: RetryPolicy = RetryPolicy(max=100)
    node_lost: RetryPolicy = RetryPolicy(max=20)
    died: RetryPolicy = RetryPolicy(max=3)
    gpu_memory: RetryPolicy = RetryPolicy(max=3, halve="micro_batch")
    host_memory: RetryPolicy = RetryPolicy(max=1, backoff_seconds=60)
    nccl: RetryPolicy = RetryPolicy(max=3, backoff_seconds=30, exclude_node=True)
    timeout: RetryPolicy = RetryPolicy(max=2)
    disk_full: RetryPolicy = RetryPolicy(max=1, backoff_seconds=300)
    checkpoint: RetryPolicy = RetryPolicy(max=1)
    environment: RetryPolicy = RetryPolicy(max=0)
    engine: RetryPolicy = RetryPolicy(max=0)
    numerical: RetryPolicy = RetryPolicy(max=0)
    spec: RetryPolicy = RetryPolicy(max=0)
    code: RetryPolicy = RetryPolicy(max=0)

    @field_validator("spec", "code")
    @classmethod
    def _does_not_come_right_by_itself(cls, policy: RetryPolicy) -> RetryPolicy:
        if policy.max:
            raise ValueError("is never tried again by itself: it would fail alike; mend it, then `rlsweep retry`")
        return policy

    def of(self, failure_class: str) -> RetryPolicy:
        """The policy for a class of `workers.failures`; that for bugs, for one that only an older version knew."""
        found: RetryPolicy = getattr(self, failure_class, self.code)
        return found
