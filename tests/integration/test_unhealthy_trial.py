"""A trial that a health gate ends: its outcome is named, its checkpoint kept, and it is not trained further."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from db.database import open_database
from db.errors import UnhealthyTrial
from db.reader import Reader
from db.states import AttemptState
from db.store import claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from workers.failures import failure_class
from workers.provenance import this_process
from workers.trial import Folders, run_trial


def test_a_gate_ends_a_trial_and_a_second_attempt_at_once(sqlite_url: URL, tiny_sweep: Path, tmp_path: Path) -> None:
    engine = open_database(sqlite_url, create=False)
    gate = "base.health={min_entropy: 100, patience_steps: 3}"
    loaded = load_sweep(tiny_sweep, ["model=[small]", "seed=[1]", gate])
    registration = register(engine, loaded)
    trial_id, reader = registration.trial_ids[0], Reader(engine)
    for _ in range(2):
        store = claim(engine, trial_id=trial_id, sweep_id=registration.sweep_id, process=this_process())
        with pytest.raises(UnhealthyTrial, match=r"health\.min_entropy 100 was passed in 3 steps") as caught:
            run_trial(
                loaded.trials[0].spec,
                store=store,
                reader=reader,
                folders=Folders(tmp_path / "models", tmp_path / "trial"),
                is_stopping=lambda: False,
                on_loss=lambda failure, message: None,
            )
        store.end(AttemptState.FAILED, failure_class=failure_class(caught.value), message=str(caught.value))
    attempts = reader.attempts(trial_id)
    assert [(each["failure_class"], each["resumed_from_step"]) for each in attempts] == [
        ("entropy_collapse", 0),
        ("entropy_collapse", 3),
    ]
    assert [row["step"] for row in reader.live_steps(trial_id, ["step"])] == [1, 2, 3]
    assert reader.live_checkpoints(trial_id)[0].step == 3
    engine.dispose()
