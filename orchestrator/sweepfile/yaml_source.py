"""Reading YAML with the place of every value, and without YAML's traps.

Where readers of YAML 1.1 and of YAML 1.2 disagree about a scalar (`no`, `010`, `12:30`, `1_000`), the file is
refused with the unambiguous spelling. Duplicate keys are refused. So are tags: nothing is ever constructed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.reader import ReaderError

from orchestrator.sweepfile.file_text import text_of
from orchestrator.sweepfile.problems import InvalidSweep, Path, Position, SpecProblem
from orchestrator.sweepfile.scalars import no_text, plain_value, too_long
from orchestrator.sweepfile.yaml_wording import in_plain_words, misread

_TAG = "tag:yaml.org,2002:"
_RESOLVER = yaml.resolver.Resolver()
_MOST_VALUES = 200_000  # aliases of aliases make a short file endless
_DEEPEST = 100


@dataclass
class YamlSource:
    """Plain data, and where each value (by its path) and each key stands.

    `problems` are those of reading: their values are None in the data. `unread` are the sections, () for all of them,
    to which a file or a preset that could not be read would have given more values. `taken_away` are axes that null has
    taken away, and where it stands.
    """

    name: str
    text: str
    data: Any = None
    problems: list[SpecProblem] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    taken_away: dict[Path, Position] = field(default_factory=dict)
    positions: dict[Path, Position] = field(default_factory=dict)
    key_positions: dict[Path, Position] = field(default_factory=dict)

    def position(self, path: Path) -> Position:
        """Where `path` stands, or the nearest of its parents that does."""
        for length in range(len(path), -1, -1):
            for places in (self.positions, self.key_positions):
                if path[:length] in places:
                    return places[path[:length]]
        return Position(self.name)

    def drop(self, path: Path) -> None:
        """Without the value at this path, should there be one, and without its places."""
        *way, last = path
        current: Any = self.data
        for part in way:
            current = current.get(part) if isinstance(current, dict) else None
        if isinstance(current, dict) and last in current:
            self.forget(path, current.pop(last))

    def forget(self, path: Path, value: Any) -> None:
        """Without the places of this value and of all in it."""
        for known in paths_within(value, path):
            self.positions.pop(known, None)
            self.key_positions.pop(known, None)

    def key_position(self, path: Path) -> Position:
        """Where the key of `path` stands; for problems with the key and not with its value."""
        return self.key_positions.get(path) or self.position(path)


def paths_within(value: Any, path: Path) -> Iterator[Path]:
    """The path of a value, and those of all in it."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from paths_within(part, (*path, name))


def read_yaml(file: FilePath) -> YamlSource:
    """Read a file, with the problems of its values. Raises InvalidSweep for what is not one YAML mapping."""
    return _read(text_of(file), str(file))


def parse_yaml(text: str, name: str) -> YamlSource:
    """Parse one YAML mapping. Raises InvalidSweep with every problem found."""
    source = _read(text, name)
    if source.problems:
        raise InvalidSweep(source.problems)
    return source


def _read(text: str, name: str) -> YamlSource:
    source = YamlSource(name=name, text=text)
    root = _composed(text, name)
    if not isinstance(root, yaml.MappingNode):
        found = "is empty" if root is None else f"is {_kind(root)}, not a mapping"
        raise InvalidSweep([SpecProblem(Position(name), (), f"{found}; a sweep file starts with `name: ...`")])
    reader = _NodeReader(source)
    try:
        source.data = reader.read(root, ())
    except _TooMuch as error:
        raise InvalidSweep([SpecProblem(Position(name), (), str(error))]) from None
    source.problems = list({problem.position: problem for problem in reversed(reader.problems)}.values())[::-1]
    return source


def _kind(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


def _composed(text: str, name: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        message, line, column = in_plain_words(error)
        raise InvalidSweep([SpecProblem(Position(name, line, column), (), message)]) from None
    except ReaderError as error:
        before = text[: error.position]
        position = Position(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        message = f"is not valid YAML: holds the character U+{error.character:04X}, which text may not have"
        raise InvalidSweep([SpecProblem(position, (), message)]) from None
    except RecursionError:
        raise InvalidSweep([SpecProblem(Position(name), (), "is nested too deeply to be read")]) from None


class _TooMuch(Exception):
    """Aliases of aliases; why."""


class _NodeReader:
    """Turns nodes into plain data, remembering places and collecting problems."""

    def __init__(self, source: YamlSource) -> None:
        self.source = source
        self.problems: list[SpecProblem] = []
        self._open: list[yaml.Node] = []
        self._num_read = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        self._count()
        self.source.positions[path] = self._position(node)
        if any(node is parent for parent in self._open):
            return self._problem(node, path, "contains itself through an alias")
        if node.tag != _plain_tag(node):
            tag = node.tag.replace(_TAG, "!!")
            return self._problem(node, path, f"has the tag `{tag}`; write the plain value, without a tag")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, yaml.ScalarNode)
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _count(self) -> None:
        """What is merged counts as often as it is, though later ones take the places of the earlier."""
        self._num_read += 1
        if self._num_read > _MOST_VALUES:
            raise _TooMuch(f"has more than {_MOST_VALUES:,} values once its aliases (`*name`) are followed")
        if len(self._open) > _DEEPEST:
            raise _TooMuch("is nested too deeply to be read")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        merges = [pair for pair in node.value if pair[0].tag == f"{_TAG}merge"]
        for key_node, value_node in merges:  # first, since what the mapping has itself wins, in its place too
            if key_node is not merges[0][0]:
                self._problem(key_node, path, "merges (<<) twice; merge a list of mappings instead: `<<: [*a, *b]`")
            merged = self._merged(value_node, path) | merged
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = None if key_node.tag == f"{_TAG}merge" else self._key(key_node, path)
            if key is None:
                continue
            if key in result:
                self._problem(key_node, (*path, key), f"is given twice; the first is on line {lines[key]}")
                continue
            lines[key] = key_node.start_mark.line + 1
            if key in merged:  # it gives way to the mapping's own
                self.source.forget((*path, key), merged[key])
            self.source.key_positions[(*path, key)] = self._position(key_node)
            result[key] = self.read(value_node, (*path, key))
        return merged | result

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for item in reversed(nodes):  # the first mapping of a list wins
            self._count()
            if not isinstance(item, yaml.MappingNode):
                self._problem(item, path, "merges (<<) something that is not a mapping")
            elif any(item is parent for parent in self._open):
                self._problem(item, path, "contains itself through an alias")
            else:
                self._open.append(item)
                given = self._mapping(item, path)
                self._open.pop()
                result |= given
        return result

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag == f"{_TAG}null":
            self._problem(node, path, "has a key that is not a word")
            return None
        wrong = no_text(node.value)
        if wrong:
            self._problem(node, path, f"has a key that {wrong}")
        return None if wrong else str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.style is not None:  # quoted, or a block: text
            wrong = no_text(node.value)
            return self._problem(node, path, wrong) if wrong else node.value
        wrong = too_long(node.value)
        if wrong:
            return self._problem(node, path, wrong)
        value, kind = plain_value(node.value), node.tag.removeprefix(_TAG)
        trap = misread(node.value, kind)
        if trap is None and isinstance(value, str) and kind in ("int", "float", "bool"):
            trap = f"`{value}` is no text to some YAML readers; quote it, or write it as a plain number"
        return self._problem(node, path, trap) if trap else value

    def _problem(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems.append(SpecProblem(self._position(node), path, message))

    def _position(self, node: yaml.Node) -> Position:
        return Position(self.source.name, node.start_mark.line + 1, node.start_mark.column + 1)


def _plain_tag(node: yaml.Node) -> str:
    """The tag of a node on which the file writes none."""
    if not isinstance(node, yaml.ScalarNode):
        return f"{_TAG}{'map' if isinstance(node, yaml.MappingNode) else 'seq'}"
    is_plain = node.style is None
    return str(_RESOLVER.resolve(yaml.ScalarNode, node.value, (is_plain, not is_plain)))  # type: ignore[no-untyped-call]
