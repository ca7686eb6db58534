"""Models given by a path are identified by what is in the folder: the weights, not the place.

A copied or renamed folder is the same model, and a folder whose weights were replaced is another one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from db.errors import SpecError
from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.loading import LoadedSweep
from workers.weights import weights_sha256


def with_weights(loaded: LoadedSweep) -> LoadedSweep:
    """The sweep with the hash of the weights of every model that is a folder here; reads them all the first time.

    Raises EnvironmentProblem for a folder without weights, SpecError where two trials turn out to be one.
    """
    hashed: dict[str, str] = {}

    def identified(trial: ExpandedTrial) -> ExpandedTrial:
        model = trial.spec.model
        if model.source is None or not Path(model.source).is_dir():
            return trial
        if model.source not in hashed:
            hashed[model.source] = weights_sha256(Path(model.source), name=model.name, use_cache=True)
        known = model.model_copy(update={"weights_sha256": hashed[model.source]})
        return replace(trial, spec=trial.spec.model_copy(update={"model": known}))

    trials = tuple(identified(trial) for trial in loaded.trials)
    if hashed:
        _refuse_twins(trials)
    return replace(loaded, trials=trials)


def _refuse_twins(trials: tuple[ExpandedTrial, ...]) -> None:
    seen: dict[str, ExpandedTrial] = {}
    for trial in trials:
        twin = seen.setdefault(trial.science_hash, trial)
        if twin is not trial:
            raise SpecError(
                f"{trial.axes} and {twin.axes} are the same trial: the folders {twin.spec.model.source} and "
                f"{trial.spec.model.source} hold the same weights. Take one of them out."
            )
