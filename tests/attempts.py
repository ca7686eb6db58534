"""A trial on the tiny sweep, attempted in the test's own process as often as the test likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from db.database import open_database, resolve_url
from db.errors import UnhealthyTrial
from db.reader import Reader
from db.states import AttemptState
from db.store import claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from workers.failures import failure_class
from workers.provenance import this_process
from workers.spec import TrialSpec
from workers.trial import Folders, run_trial

MEASURED = ("step", "prompt_tokens", "completion_tokens", "cumulative_samples", "cumulative_flops", "loss", "reward",
            "kl", "entropy", "gradient_norm", "learning_rate")  # fmt: skip


@dataclass
class AttemptedTrial:
    """A registered trial; `checkpoints` is its place for them."""

    engine: Engine
    spec: TrialSpec
    sweep_id: int
    trial_id: int
    folders: Folders

    @property
    def reader(self) -> Reader:
        return Reader(self.engine)

    def attempt(self, *, stops_after: int | None = None) -> AttemptState:
        """Run it, to its end or until it was asked so often whether to stop, which is once a step."""
        asked: list[int] = []

        def is_stopping() -> bool:
            asked.append(1)
            return len(asked) == stops_after

        store = claim(self.engine, trial_id=self.trial_id, sweep_id=self.sweep_id, process=this_process())
        try:
            outcome = run_trial(
                self.spec,
                store=store,
                reader=self.reader,
                folders=self.folders,
                is_stopping=is_stopping,
                on_loss=lambda failure, message: None,
            )
        except UnhealthyTrial as ended:
            store.end(AttemptState.STOPPED, outcome=ended.outcome, message=str(ended))
            raise
        except Exception as error:
            store.end(AttemptState.FAILED, failure_class=failure_class(error), message=str(error))
            raise
        store.end(outcome)
        return outcome

    def measured(self) -> list[Any]:
        """Everything measured of its live steps, and its scores."""
        rows = [tuple(row.values()) for row in self.reader.live_steps(self.trial_id, MEASURED)]
        return rows + [(row["step"], row["score"]) for row in self.reader.curve([self.trial_id])]


def first_trial(
    sweep: Path,
    overrides: Sequence[str],
    *,
    folder: Path,
    models: Path,
    files: Path | None = None,
    checkpoints: str | None = None,
) -> AttemptedTrial:
    """The first trial of a sweep file, in a new database in `folder`; its `files` are there too, or elsewhere."""
    folder.mkdir(exist_ok=True)
    engine = open_database(resolve_url(str(folder / "rlsweep.db")))
    loaded = load_sweep(sweep, ["model=[small]", "seed=[1]", *overrides])
    registration = register(engine, loaded)
    files = files or folder
    folders = Folders(models, files / "trial", checkpoints or str(files / "checkpoints"))
    return AttemptedTrial(engine, loaded.trials[0].spec, registration.sweep_id, registration.trial_ids[0], folders)
