"""Which trial Ray Tune starts next: asked of the database every time, so that what is written there steers the sweep.

A trial is started as long as it has no end, nobody holds it and no attempt runs: so one that is resumed or tried again
from another terminal joins in, one that was paused or cancelled stays out, and an attempt that died is followed by the
next. Ray Tune's own notion of a trial is one start of ours.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from db.states import TrialState
from db.store.plan import PlanStore, Waiting
from workers.provenance import is_dead

# An attempt that was killed is tried again this often before a person has to look.
MAX_RESTARTS = 3


class TrialQueue:
    """The trials of one driver, in the order in which they are to start where priorities are equal.

    `ask` is how the database is asked: it may have to wait for it. Where there was nothing to start, it is asked again
    after `look_seconds`.
    """

    def __init__(
        self,
        plan: PlanStore,
        sweep_id: int,
        trial_ids: Sequence[int],
        *,
        ask: Callable[[Callable[[], Any]], Any],
        look_seconds: float = 1.0,
    ) -> None:
        self._plan = plan
        self._sweep_id = sweep_id
        self._trial_ids = list(trial_ids)
        self._ask = ask
        self._started: set[int] = set()
        self._deaths: Counter[tuple[int, int]] = Counter()
        self._look_seconds = look_seconds
        self._looked_at = -math.inf
        self.is_over = False

    def next(self) -> int | None:
        """The trial to start now, or None: ask again later, unless `is_over`."""
        if self.is_over or time.monotonic() - self._looked_at < self._look_seconds:
            return None
        if self._ask(lambda: self._plan.is_draining(self._sweep_id)):
            self.is_over = not self._started
            return None
        standing: list[Waiting] = self._ask(lambda: self._plan.standing(self._trial_ids))
        if any(each.state == TrialState.RUNNING and each.trial_id not in self._started for each in standing):
            # Of an attempt whose node is gone, nobody beside it says that it is.
            self._ask(lambda: self._plan.declare_lost(self._sweep_id, is_dead=is_dead))
        may_go_on = [each for each in standing if self._deaths[each.trial_id, each.retried_after] <= MAX_RESTARTS]
        ready = [each for each in may_go_on if each.may_start and each.trial_id not in self._started]
        if not ready:
            self._looked_at = time.monotonic()
            self.is_over = not may_go_on and not self._started
            return None
        chosen = max(ready, key=lambda each: each.priority)  # of equal ones the first
        self._started.add(chosen.trial_id)
        return chosen.trial_id

    def ended(self, trial_id: int, *, died: bool) -> None:
        """Say that a start has come to its end; `died`: nothing tells how."""
        self._started.discard(trial_id)
        self._looked_at = -math.inf
        if died:
            for each in self._ask(lambda: self._plan.standing([trial_id])):
                self._deaths[trial_id, each.retried_after] += 1
