"""What the name of a model means: an entry of `models`, a folder, or a model on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.sweepfile.language import ModelEntry
from orchestrator.sweepfile.names import closest
from workers.spec import Model


class UnknownModel(ValueError):
    """A model that is neither defined in `models` nor a hub id nor a folder."""


def resolve_model(name: str, models: Mapping[str, ModelEntry]) -> Model:
    """The model of that name. Raises UnknownModel."""
    entry = models.get(name)
    if entry is not None:
        if entry.source is not None:
            entry = entry.model_copy(update={"source": _from_anywhere(entry.source)})
        return Model(name=name, **entry.model_dump(exclude_none=True) | _made(entry))
    if "/" in name:  # organisation/name on the hub, or a path
        return Model(name=name, source=_from_anywhere(name))
    close = closest(name, list(models))
    known = f"; defined here: {', '.join(models)}" if models else ""
    hint = f"; did you mean '{close}'?" if close else known
    raise UnknownModel(f"found '{name}', expected a name from `models`, a hub id such as org/name, or a path{hint}")


def _from_anywhere(source: str) -> str:
    """A folder by its full path, since trials run elsewhere; a hub id as it is. Raises UnknownModel for neither."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return str(folder.absolute())
    if source.startswith(("/", "./", "../", "~")) or source.count("/") > 1:
        raise UnknownModel(f"found '{source}', and there is no such folder; a hub id is organisation/name")
    return source


def _made(entry: ModelEntry) -> dict[str, Any]:
    """The nested model itself, not its dump, which would be validated anew."""
    return {"made": entry.made} if entry.made is not None else {}
