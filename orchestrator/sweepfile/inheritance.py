"""`extends:` a sweep file that is another one with some values changed.

Mappings are merged, key by key; anything else, lists included, takes the place of what the other file has, and null in
the place of an axis takes it away. Every value keeps the place where it was written, so a problem is reported in the
file that has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.moved import details_give_way
from orchestrator.sweepfile.problems import DROPPABLE, InvalidSweep, Path, Position, SpecProblem
from orchestrator.sweepfile.two_names import give_way
from orchestrator.sweepfile.yaml_source import YamlSource, read_yaml

KEY = "extends"


def read_with_parents(file: FilePath) -> YamlSource:
    """A sweep file put over the file it extends, and so on. Raises InvalidSweep if it cannot be read itself.

    A file further up that cannot be read is a problem of the source, which says so in `unread`.
    """
    return _read(file, children=())


def _read(file: FilePath, children: tuple[FilePath, ...]) -> YamlSource:
    source = read_yaml(file)
    if KEY not in source.data:
        return source
    named = source.data.pop(KEY)
    if any(problem.path == (KEY,) for problem in source.problems):
        return _without_parent(source, [])
    lineage = (*children, file.resolve())
    reason = _reason_against(named, file, lineage)
    if reason is not None:
        return _without_parent(source, [SpecProblem(source.position((KEY,)), (KEY,), reason)])
    try:
        parent = _read(file.parent / named, lineage)
    except InvalidSweep as error:
        return _without_parent(source, error.problems)
    return put_over(parent, source)


def _reason_against(named: Any, file: FilePath, lineage: tuple[FilePath, ...]) -> str | None:
    if not isinstance(named, str):
        return f"found {shown(named)}, expected the path of a sweep file"
    parent = file.parent / named
    try:
        if parent.resolve() == file.resolve():
            return "a file cannot extend itself"
        if parent.resolve() in lineage:
            return f"goes round in a circle: {named} extends this file through others"
        is_there = parent.is_file()
    except (OSError, RuntimeError):  # too long a name, links in a circle
        return f"found {shown(named)}, which cannot be the path of a file"
    if not is_there:
        return f"there is no file {parent}; the path is taken from the folder of this file"
    return None


def _without_parent(source: YamlSource, problems: Iterable[SpecProblem]) -> YamlSource:
    source.problems += problems
    source.unread.append(())
    return source


def put_over(parent: YamlSource, child: YamlSource) -> YamlSource:
    """One source with the values of both; where both have one, the child's."""
    text = f"{child.text.rstrip()}\n\n# What it extends, {parent.name}:\n{parent.text}"
    places = dict(parent.positions), dict(parent.key_positions)
    merged = YamlSource(child.name, text, parent.data, positions=places[0], key_positions=places[1])
    merged.problems = [*parent.problems, *child.problems]
    merged.unread = [*parent.unread, *child.unread]
    merged.taken_away = {path: at for path, at in parent.taken_away.items() if path not in child.positions}
    merged.taken_away |= _taken_away(parent.data, child)
    give_way(merged, child.positions)
    details_give_way(merged, child.positions, child.data)
    merged.data = _merged(parent.data, child.data, (), merged)
    merged.positions |= {path: at for path, at in child.positions.items() if path not in merged.taken_away}
    merged.key_positions |= child.key_positions
    return merged


def _taken_away(parent: Any, child: YamlSource) -> dict[Path, Position]:
    """What null takes away of the other file."""
    found: dict[Path, Position] = {}
    for holder in DROPPABLE:
        above, below = child.data, parent
        for part in holder:
            above, below = (each.get(part) if isinstance(each, dict) else None for each in (above, below))
        names = above if isinstance(above, dict) and isinstance(below, dict) else {}
        gone = [(*holder, name) for name, value in names.items() if value is None and name in below]
        found |= {path: child.position(path) for path in gone}
    return found


def _merged(parent: Any, child: Any, path: Path, source: YamlSource) -> Any:
    if isinstance(parent, dict) and isinstance(child, dict):
        changed = {
            key: _merged(parent[key], value, (*path, key), source) if key in parent else value
            for key, value in child.items()
        }
        dropped = {key for key, value in child.items() if value is None and key in parent and path in DROPPABLE}
        for key in dropped:
            source.forget((*path, key), parent[key])
        return {key: value for key, value in (parent | changed).items() if key not in dropped}
    source.forget(path, parent)
    return child
