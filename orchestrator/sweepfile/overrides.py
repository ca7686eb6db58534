"""`--set key=value`: changing a sweep file from the command line, before it is checked.

A key is a dotted path from the file's root (`budgets.at`), or the short name of an axis or of a base value
(`seed`, `optimizer.learning_rate`). The value is YAML; null takes an axis of `grid`, or a name of `models`, away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.sweepfile.language import ModelEntry, Point, SweepFile
from orchestrator.sweepfile.moved import details_give_way
from orchestrator.sweepfile.names import PRESET, nearest, one_name, value_names
from orchestrator.sweepfile.problems import (
    DROPPABLE,
    OVERRIDE_SOURCE,
    InvalidSweep,
    Path,
    Position,
    SpecProblem,
    dotted,
)
from orchestrator.sweepfile.two_names import give_way
from orchestrator.sweepfile.yaml_source import YamlSource, parse_yaml, paths_within

_SECTIONS = tuple(SweepFile.model_fields)
_VALUES = (*Point.model_fields, PRESET)
_MOST_SHOWN = 100


def apply_overrides(source: YamlSource, overrides: Sequence[str]) -> None:
    """Change `source.data` in place; an override that cannot be read or placed becomes a problem of the source."""
    for override in overrides:
        try:
            _apply(source, override)
        except InvalidSweep as error:
            source.problems += error.problems


def _place_of(override: str) -> Position:
    """What stands in place of a line and column: short, and as it can be printed."""
    text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in override)
    return Position(f"{OVERRIDE_SOURCE}{text if len(text) <= _MOST_SHOWN else f'{text[: _MOST_SHOWN - 3]}...'}")


def _apply(source: YamlSource, override: str) -> None:
    place = _place_of(override)
    key, separator, text = (part.strip() for part in override.partition("="))
    if not separator or not key:
        raise _problem(place, "write it as key=value, such as seed=[1,2,3]")
    value = _value(text, place)
    path = _resolve(source.data, key)
    if path[0] == "base" and path[1:] and path[1] not in _VALUES:
        raise _problem(place, f"`{key}` is not known here{_nearest(str(path[1]))}")
    container = _container(source, path, place)
    if value is None and (path[:-1] in DROPPABLE or (path[:2] == ("axes", "zip") and len(path) == 4)):
        _take_away(source, container, path, place)
        return
    paths = dict.fromkeys(paths_within(value, path), place)
    details_give_way(source, paths, _nested(path, value))
    source.forget(path, container.get(str(path[-1])))
    container[str(path[-1])] = value
    source.positions.update(paths)
    source.key_positions.update(paths)
    source.taken_away.pop(path, None)
    give_way(source, paths)


def _take_away(source: YamlSource, container: dict[str, Any], path: Path, place: Position) -> None:
    if path[-1] not in container:
        raise _problem(place, f"null takes away what the file has, and it has no {dotted(path)}")
    if path[:2] == ("axes", "zip") and len(container) == 1:
        raise _problem(
            place, f"{path[-1]} is the only axis of its group; give all of axes.zip anew, such as axes.zip=[]"
        )
    source.forget(path, container.pop(str(path[-1])))
    source.taken_away[path] = place


def _nested(path: Path, value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def _value(text: str, place: Position) -> Any:
    try:
        data = parse_yaml(f"value: {text}", place.source).data
    except InvalidSweep as error:  # places in a line that nobody has written
        raise InvalidSweep([SpecProblem(place, (), problem.message) for problem in error.problems]) from None
    if len(data) > 1:
        raise _problem(place, "goes on after its value; quote text that has several lines")
    return data["value"]


def _nearest(word: str) -> str:
    homes = [each for each in value_names() if each.rpartition(".")[2] == word]
    return f"; did you mean {' or '.join(homes)}?" if homes else nearest(word, (*_SECTIONS, *_VALUES))


def _resolve(data: dict[str, Any], key: str) -> Path:
    """The full path of a dotted key; of a short one, that of an axis if there is one of that name, else in `base`."""
    path = tuple(key.split("."))
    if path[0] == "models":
        return _in_models(path, data.get("models"))
    if path[:2] == ("axes", "grid"):  # names of axes hold dots
        return ("axes", "grid", ".".join(path[2:])) if path[2:] else path
    if path[0] in _SECTIONS:
        return path
    axes = data.get("axes")
    return (_axis(axes, key) if isinstance(axes, dict) else None) or ("base", *path)


def _in_models(path: Path, models: Any) -> Path:
    """Names of models may hold dots: the longest that is there, else what stands before a field of an entry."""
    parts = [str(part) for part in path[1:]]
    lengths = range(len(parts), 0, -1)
    known = (length for length in lengths if isinstance(models, dict) and ".".join(parts[:length]) in models)
    made = (length for length in reversed(lengths) if parts[length:] and parts[length] in ModelEntry.model_fields)
    length = next(known, None) or next(made, len(parts))
    return ("models", ".".join(parts[:length]), *parts[length:]) if parts else path


def _axis(axes: dict[str, Any], name: str) -> Path | None:
    """Where the axis of that name is, crossed or paired."""
    groups = axes.get("zip")
    listed: list[tuple[Path, Any]] = [(("axes", "grid"), axes.get("grid"))]
    listed += [(("axes", "zip", i), group) for i, group in enumerate(groups if isinstance(groups, list) else [])]
    for path, group in listed:
        for each in group if isinstance(group, dict) else ():
            if one_name(each) == one_name(name):
                return (*path, each)
    return None


def _container(source: YamlSource, path: Path, place: Position) -> dict[str, Any]:
    """The mapping that holds the last part of `path`; missing mappings on the way are made."""
    current: Any = source.data
    for depth, part in enumerate(path[:-1]):
        if isinstance(part, int):  # a group of `zip`, which was found there
            current = current[part]
            continue
        if current.get(part) is None:
            source.positions[path[: depth + 1]] = source.key_positions[path[: depth + 1]] = place
            current[part] = {}
        current = current[part]
        if not isinstance(current, dict) and not isinstance(path[depth + 1], int):
            at, kind = ".".join(str(p) for p in path[: depth + 1]), "is a list" if isinstance(current, list) else ""
            raise _problem(place, f"{at} {kind or 'is not a mapping'}, so nothing in it can be set; set all of {at}")
    assert isinstance(current, dict)
    return current


def _problem(place: Position, message: str) -> InvalidSweep:
    return InvalidSweep([SpecProblem(place, (), message)])
