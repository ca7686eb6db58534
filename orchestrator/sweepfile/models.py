"""What the name of a model means: an entry of `models`, a folder, or a model on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.sweepfile.language import ModelEntry
from workers.spec import Model


class UnknownModel(ValueError):
    """A model name that `models` does not define and that is no hub id or folder."""


def resolve_model(name: str, models: Mapping[str, ModelEntry]) -> Model:
    """The model of that name. Raises UnknownModel."""
    entry = models.get(name)
    if entry is not None:
        if entry.source is not None:
            entry = entry.model_copy(update={"source": _from_anywhere(entry.source)})
        return Model(name=name, **entry.model_dump(exclude_none=True) | _made(entry))
    if "/" in name:  # organisation/name on the hub, or a path
        return Model(name=name, source=_from_anywhere(name))
    known = f"; defined here: {', '.join(models)}" if models else ""
    raise UnknownModel(f"found {name!r}, expected a name from `models`, a hub id such as org/name, or a path{known}")


def _from_anywhere(source: str) -> str:
    """A folder by its full path, since trials run elsewhere; a hub id as it is."""
    folder = Path(source).expanduser()
    return str(folder.absolute()) if folder.is_dir() else source


def _made(entry: ModelEntry) -> dict[str, Any]:
    """The nested model itself, not its dump, which would be validated anew."""
    return {"made": entry.made} if entry.made is not None else {}
