"""`extends:` a sweep file that is another one with some values changed.

Mappings are merged, key by key; anything else, lists included, takes the place of what the other file has. Every value
keeps the place where it was written, so a problem is reported in the file that has it.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from orchestrator.sweepfile.problems import InvalidSweep, Path, SpecProblem
from orchestrator.sweepfile.wording import shown
from orchestrator.sweepfile.yaml_source import YamlSource, read_yaml

KEY = "extends"


def read_with_parents(file: FilePath) -> YamlSource:
    """A sweep file put over the file it extends, and so on. Raises InvalidSweep if one of them cannot be read."""
    return _read(file, children=())


def _read(file: FilePath, children: tuple[FilePath, ...]) -> YamlSource:
    source = read_yaml(file)
    if KEY not in source.data:
        return source
    named = source.data.pop(KEY)
    if not isinstance(named, str):
        raise _problem(source, f"found {shown(named)}, expected the path of a sweep file")
    parent_file = file.parent / named
    lineage = (*children, file.resolve())
    if parent_file.resolve() in lineage:
        raise _problem(source, f"goes round in a circle: {named} extends this file, directly or through others")
    if not parent_file.is_file():
        raise _problem(source, f"there is no file {parent_file}; the path is taken from the folder of this file")
    return put_over(_read(parent_file, lineage), source)


def put_over(parent: YamlSource, child: YamlSource) -> YamlSource:
    """One source with the values of both; where both have one, the child's."""
    text = f"{child.text.rstrip()}\n\n# What it extends, {parent.name}:\n{parent.text}"
    merged = YamlSource(child.name, text, positions=dict(parent.positions), key_positions=dict(parent.key_positions))
    merged.data = _merged(parent.data, child.data, (), merged)
    merged.positions |= child.positions
    merged.key_positions |= child.key_positions
    return merged


def _merged(parent: Any, child: Any, path: Path, source: YamlSource) -> Any:
    if isinstance(parent, dict) and isinstance(child, dict):
        changed = {
            key: _merged(parent[key], value, (*path, key), source) if key in parent else value
            for key, value in child.items()
        }
        return parent | changed
    for places in (source.positions, source.key_positions):
        for known in [each for each in places if each[: len(path)] == path and each != path]:
            del places[known]
    return child


def _problem(source: YamlSource, message: str) -> InvalidSweep:
    return InvalidSweep([SpecProblem(source.position((KEY,)), (KEY,), message)])
