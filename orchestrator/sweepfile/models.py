"""What the name of a model means: an entry of `models`, a folder, or a model on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.sweepfile.language import ModelEntry
from orchestrator.sweepfile.names import closest
from orchestrator.sweepfile.places import seen_from_here
from workers.spec import Model
from workers.spec.places import HUB_NAME, is_path


class UnknownModel(ValueError):
    """A model that is neither defined in `models` nor a hub id nor a folder."""


def resolve_model(name: str, models: Mapping[str, ModelEntry]) -> Model:
    """The model of that name, whose paths are full ones; see `places`.

    Raises UnknownModel, and OSError or RuntimeError for what cannot be a path.
    """
    entry = models.get(name)
    if entry is not None:
        _refuse_missing_folder(entry.source)
        return Model(name=name, **entry.model_dump(exclude_none=True) | _made(entry))
    if is_path(name) or HUB_NAME.fullmatch(name):
        _refuse_missing_folder(name)
        return Model(name=name, source=name)
    close = closest(name, list(models))
    known = f"; defined here: {', '.join(models)}" if models else ""
    hint = f"; did you mean '{close}'?" if close else known
    raise UnknownModel(
        f"found '{name}', expected a name from `models`, a hub id such as org/name, or a path such as ./name{hint}"
    )


def _refuse_missing_folder(source: str | None) -> None:
    if source is not None and is_path(source) and not Path(source).expanduser().is_dir():
        raise UnknownModel(f"found '{seen_from_here(source)}', and there is no such folder; correct the path")


def _made(entry: ModelEntry) -> dict[str, Any]:
    """The nested model itself, not its dump, which would be validated anew."""
    return {"made": entry.made} if entry.made is not None else {}
