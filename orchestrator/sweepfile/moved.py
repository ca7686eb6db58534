"""A data set or a model that is taken from another place: what described the old place gives way."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.sweepfile.problems import Path
from orchestrator.sweepfile.yaml_source import YamlSource

# What says more about a place, beside the name of the place itself.
_DETAILS = {"train": ("revision", "file"), "source": ("revision",)}


def details_give_way(source: YamlSource, given: Collection[Path]) -> None:
    """Without the revision or file of a place for which another is given, unless they are given with it."""
    for path in [each for each in given if _is_a_place(each)]:
        for detail in _DETAILS[str(path[-1])]:
            other = (*path[:-1], detail)
            if other not in given:
                source.drop(other)


def _is_a_place(path: Path) -> bool:
    return path == ("base", "data", "train") or (path[:1] == ("models",) and path[2:] == ("source",))
