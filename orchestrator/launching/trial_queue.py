"""Which trial Ray Tune starts next: asked of the database every time, so that what is written there steers the sweep.

A trial is started as long as it has no end, nobody holds it and no attempt runs: so one that is resumed or tried again
from another terminal joins in, one that was paused or cancelled stays out, and an attempt that failed is followed by
the next as the sweep's policies have it. Ray Tune's own notion of a trial is one start of ours.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from db.states import AttemptState, TrialState
from db.store.plan import EndedAttempt, PlanStore, Waiting
from orchestrator.launching.retrying import Verdict, verdict
from orchestrator.sweepfile.retry import Retry
from workers.failures import FAILURE_CLASSES
from workers.micro_batches import OUT_OF_MEMORY
from workers.provenance import is_dead

# A process that ends before it has claimed its trial leaves no attempt to judge by. It is started this often again.
STILLBORN_RESTARTS = 3


@dataclass(frozen=True)
class Start:
    """A trial to be started, and the nodes of the Ray cluster that it should not be given."""

    trial_id: int
    avoid: tuple[str, ...] = ()


class TrialQueue:
    """The trials of one driver, in the order in which they are to start where priorities are equal.

    `ask` is how the database is asked: it may have to wait for it. `is_node_gone` says of a node of the cluster whether
    it has left. Where there was nothing to start, the database is asked again after `look_seconds`.
    """

    def __init__(
        self,
        plan: PlanStore,
        sweep_id: int,
        trial_ids: Sequence[int],
        *,
        retry: Retry,
        ask: Callable[[Callable[[], Any]], Any],
        is_node_gone: Callable[[str], bool],
        look_seconds: float = 1.0,
    ) -> None:
        self._plan = plan
        self._sweep_id = sweep_id
        self._trial_ids = list(trial_ids)
        self._retry = retry
        self._ask = ask
        self._is_node_gone = is_node_gone
        self._look_seconds = look_seconds
        self._looked_at = -math.inf
        self._started: dict[int, int] = {}  # with how many attempts each had had
        self._verdicts: dict[int, Verdict] = {}
        self._not_before: dict[int, float] = {}
        self._stillborn: Counter[int] = Counter()
        self.is_over = False

    def next(self) -> Start | None:
        """What to start now, or None: ask again later, unless `is_over`."""
        now = time.monotonic()
        if self.is_over or now - self._looked_at < self._look_seconds:
            return None
        if self._ask(lambda: self._plan.is_draining(self._sweep_id)):
            self.is_over = not self._started
            return None
        standing: list[Waiting] = self._ask(lambda: self._plan.standing(self._trial_ids))
        if any(each.state == TrialState.RUNNING and each.trial_id not in self._started for each in standing):
            self._end_the_silent()
        ready = [each for each in standing if each.may_start and each.trial_id not in self._started]
        ready = [each for each in ready if self._not_before.get(each.trial_id, now) <= now]
        if not ready:
            self._looked_at = now
            self.is_over = not standing and not self._started
            return None
        chosen = max(ready, key=lambda each: each.priority)  # of equal ones the first
        self._started[chosen.trial_id] = chosen.attempts
        return Start(chosen.trial_id, self._verdicts.get(chosen.trial_id, Verdict()).avoid)

    def ended(self, trial_id: int, *, was_tried: bool) -> None:
        """Say that a start has come to its end; `was_tried`: a process was to make an attempt at the trial."""
        before = self._started.pop(trial_id)
        self._looked_at = -math.inf
        is_stillborn = was_tried and self._ask(lambda: self._plan.attempts_made(trial_id)) == before
        self._stillborn[trial_id] = self._stillborn[trial_id] + 1 if is_stillborn else 0
        if self._stillborn[trial_id] > STILLBORN_RESTARTS:
            self._ask(lambda: self._plan.fail(trial_id, message="It could not be started; see its launch.log."))
        elif not is_stillborn:
            self._judge(trial_id)

    def _end_the_silent(self) -> None:
        """Of an attempt whose node is gone, nobody beside it says that it is."""
        for trial_id in self._ask(lambda: self._plan.declare_lost(self._sweep_id, is_dead=is_dead)):
            self._judge(trial_id)

    def _judge(self, trial_id: int) -> None:
        """Do with a trial what the policy for its last attempt's end has it."""
        attempts: list[EndedAttempt] = self._ask(lambda: self._plan.ended_attempts(trial_id))
        if attempts and attempts[-1].state == AttemptState.LOST and attempts[-1].failure_class is None:
            self._explain(trial_id, attempts[-1])
            attempts = self._ask(lambda: self._plan.ended_attempts(trial_id))
        found = self._verdicts[trial_id] = verdict(attempts, self._retry)
        self._not_before[trial_id] = time.monotonic() + found.wait_seconds
        if found.given_up is not None:
            reason = found.given_up
            self._ask(lambda: self._plan.fail(trial_id, message=reason))
        elif attempts and attempts[-1].state == AttemptState.FAILED and attempts[-1].failure_class != OUT_OF_MEMORY:
            # Of one that was out of GPU memory, who launched it knows whether a smaller micro-batch is left to try.
            self._ask(lambda: self._plan.recover(trial_id))

    def _explain(self, trial_id: int, last: EndedAttempt) -> None:
        name = "node_lost" if last.node_id and self._is_node_gone(last.node_id) else "died"
        told = f"Lost: {FAILURE_CLASSES[name]}; its log may tell more."
        self._ask(lambda: self._plan.explain_loss(trial_id, failure_class=name, message=told))
