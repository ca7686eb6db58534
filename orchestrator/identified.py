"""What a sweep takes from this machine is identified by what it is, not by where it lies.

A model in a folder is its weights, configuration and tokenizer; prompts in a file are the file's content. A copy that
was moved or renamed is the same, and one whose content was replaced is another.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from db.errors import SpecError
from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.loading import LoadedSweep
from workers.models.weights import files_sha256, weights_sha256
from workers.prompts.heldout import content_sha256, heldout_files, training_files
from workers.spec import Data, IdentifiedData, Model, TrialSpec
from workers.spec.places import is_path


def identified(loaded: LoadedSweep) -> LoadedSweep:
    """The sweep with the hashes of all models and prompts that are here; reads them all the first time.

    Raises EnvironmentProblem for a folder without weights, SpecError for prompts that cannot be found and where two
    trials turn out to be one.
    """
    known_model, known_data = lru_cache(maxsize=None)(_identified_model), lru_cache(maxsize=None)(_identified_data)

    def known(trial: ExpandedTrial) -> ExpandedTrial:
        model, data = known_model(trial.spec.model), known_data(trial.spec.data)
        if model is trial.spec.model and data is trial.spec.data:
            return trial
        return replace(trial, spec=trial.spec.model_copy(update={"model": model, "data": data}))

    trials = tuple(known(trial) for trial in loaded.trials)
    if any(now is not before for now, before in zip(trials, loaded.trials, strict=True)):
        _refuse_twins(trials)
    return replace(loaded, trials=trials)


def _identified_model(model: Model) -> Model:
    if model.folder is None:
        return model
    weights = weights_sha256(model.folder, name=model.name, use_cache=True)
    return model.model_copy(update={"weights_sha256": weights, "files_sha256": files_sha256(model.folder)})


def _identified_data(data: Data) -> Data:
    is_here = data.train is not None and is_path(data.train)
    train = content_sha256(training_files(data), use_cache=True) if is_here else None
    heldout = content_sha256(heldout_files(data), use_cache=True) if _decides_what_is_trained_on(data) else None
    if train is None and heldout is None:
        return data
    given = data.model_dump(exclude_unset=True) | {"train_sha256": train, "heldout_sha256": heldout}
    return IdentifiedData.model_validate(given)


def _decides_what_is_trained_on(data: Data) -> bool:
    """Whether held-out problems of this machine do: prompts that are nearly one of them are dropped."""
    return data.drop_near_duplicates and data.heldout is not None and is_path(data.heldout)


def _refuse_twins(trials: tuple[ExpandedTrial, ...]) -> None:
    seen: dict[str, ExpandedTrial] = {}
    for trial in trials:
        twin = seen.setdefault(trial.science_hash, trial)
        if twin is not trial:
            raise SpecError(
                f"{trial.axes} and {twin.axes} are the same trial: {_same(twin.spec, trial.spec)}. "
                "Take one of them out."
            )


def _same(one: TrialSpec, other: TrialSpec) -> str:
    if one.model.source != other.model.source:
        return f"the folders {one.model.source} and {other.model.source} hold the same model"
    return f"{one.data.name} and {other.data.name} hold the same prompts"
