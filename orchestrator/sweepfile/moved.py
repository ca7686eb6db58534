"""A data set or a model that is taken from another place: what described the old place gives way."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from orchestrator.sweepfile.problems import Path
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec.places import is_path

# What says more about a place, beside the name of the place itself.
_DETAILS = {"train": ("revision", "file"), "source": ("revision",)}


def details_give_way(source: YamlSource, given: Collection[Path], above: Any) -> None:
    """Without the revision or file of a place for which another is given, unless they are given with it.

    `given` are the paths of values that are about to be put over those of the source, and `above` has the values.
    """
    for path in [each for each in given if _is_a_place(each) and not _is_the_same(each, source.data, above)]:
        for detail in _DETAILS[str(path[-1])]:
            other = (*path[:-1], detail)
            if other not in given and not source.position(other).is_override:
                source.drop(other)


def _is_a_place(path: Path) -> bool:
    return path == ("base", "data", "train") or (path[:1] == ("models",) and path[2:] == ("source",))


def _is_the_same(path: Path, below: Any, above: Any) -> bool:
    """Whether both have the same name on the hub there; a path may be of another folder."""
    for part in path:
        below, above = (each.get(part) if isinstance(each, dict) else None for each in (below, above))
    return isinstance(above, str) and above == below and not is_path(above)
