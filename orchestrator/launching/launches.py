"""What is left of a sweep as launches: each trial with where its files are, the long ones first."""

from __future__ import annotations

from collections.abc import Sequence

from db.reader import TrialRow
from db.store import Registration
from orchestrator.artifact_places import ArtifactPlaces
from orchestrator.launching.attempt_process import Launch
from orchestrator.sweepfile.expand import ExpandedTrial


def launches_of(
    left: Sequence[TrialRow], registration: Registration, trials: Sequence[ExpandedTrial], places: ArtifactPlaces
) -> list[Launch]:
    """A launch for each row that is left; `trials` are those of the file, as they were registered."""
    by_id = dict(zip(registration.trial_ids, trials, strict=True))
    # No core idles while the longest one, begun last, runs alone.
    longest_first = sorted((row.trial_id for row in left), key=lambda trial_id: -_work(by_id[trial_id]))
    return [_launch(trial_id, by_id[trial_id], places, registration.sweep_id) for trial_id in longest_first]


def _launch(trial_id: int, trial: ExpandedTrial, places: ArtifactPlaces, sweep_id: int) -> Launch:
    return Launch(
        sweep_id=sweep_id,
        trial_id=trial_id,
        models_folder=str(places.folder.models),
        trial_folder=str(places.folder.trial(trial.science_hash)),
        checkpoints=places.checkpoints(trial.science_hash),
        execution=trial.spec.execution,
    )


def _work(trial: ExpandedTrial) -> float:
    """Proportional to the compute left, as far as it is known before the weights are; 0 for models not made here."""
    made = trial.spec.model.made
    if made is None:
        return 0.0
    return made.num_hidden_layers * made.hidden_size * (made.hidden_size + made.intermediate_size)
