"""Paths of models and prompts are taken from the folder of the file that says them; those of `--set` from here.

A trial runs elsewhere, so each becomes a full path; whether something is there is for others to say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from orchestrator.sweepfile.problems import Path
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec.places import is_path, reason_against_place

_SECTIONS = ("models", "base", "axes", "resources")
_KEYS = frozenset({"source", "model", "train", "heldout", "data.train", "data.heldout"})


def with_full_paths(source: YamlSource) -> YamlSource:
    """The source, with every path under those keys written in full; a `~` of nobody stays as it is."""
    for section in _SECTIONS:
        for holder, key, path in _texts(source.data.get(section), (section,)):
            if is_path(holder[key]):
                holder[key] = _full(holder[key], _folder_of(path, source))
    return source


def reason_against(place: str) -> str | None:
    """Why nothing can be at a place that a sweep file says; None for a name on the hub and for what is here."""
    if not is_path(place):
        return reason_against_place(place)
    if os.path.exists(place):
        return None
    return f"found '{seen_from_here(place)}', and there is no such file or folder; correct the path"


def seen_from_here(place: str) -> str:
    """A full path as it is written in the working folder, where it is below that."""
    here = FilePath().absolute()
    return f"./{FilePath(place).relative_to(here)}" if FilePath(place).is_relative_to(here) else place


def _texts(value: Any, path: Path) -> Iterator[tuple[Any, Any, Path]]:
    """Holder, key and path of every text that stands under one of the keys, alone or in a list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(inner):
        at: Path = (*path, key)
        if not isinstance(each, str):
            yield from _texts(each, at)
        elif next(part for part in reversed(at) if isinstance(part, str)) in _KEYS:
            yield value, key, at


def _folder_of(path: Path, source: YamlSource) -> FilePath:
    written_in = source.position(path).source
    return FilePath() if written_in.startswith("--set") else FilePath(written_in).parent


def _full(place: str, folder: FilePath) -> str:
    try:
        return str(folder.absolute() / FilePath(place).expanduser())
    except RuntimeError:
        return place
