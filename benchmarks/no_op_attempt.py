"""An attempt as `workers.attempt` makes one, with nothing to train: it records its steps and has succeeded."""

from __future__ import annotations

import sys
from typing import Any

from db.states import AttemptState
from db.store import AttemptStore
from tests.records import step
from workers.attempt import main
from workers.spec import TrialSpec


def no_training(spec: TrialSpec, *, store: AttemptStore, **_: Any) -> AttemptState:
    store.resume_from(0)
    for number in range(1, int(spec.budget.last) + 1):
        store.record_step(step(number))
    return AttemptState.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main(no_training))
