"""What the store's contract starts from: a trial that an attempt has claimed."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from db.store import AttemptStore, PlanStore, claim
from tests.records import HERE, SWEEP, planned


@pytest.fixture
def attempt(database: Engine) -> AttemptStore:
    """The living first attempt at the only trial of a new database."""
    registration = PlanStore(database).register(SWEEP, [planned(1)])
    return claim(database, trial_id=registration.trial_ids[0], sweep_id=registration.sweep_id, process=HERE)
