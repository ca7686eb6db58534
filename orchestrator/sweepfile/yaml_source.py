"""Reading YAML with the place of every value, and without YAML's traps.

Where readers of YAML 1.1 and of YAML 1.2 disagree about a scalar (`no`, `010`, `12:30`, `1_000`), the file is
refused with the unambiguous spelling. Duplicate keys are refused. So are tags: nothing is ever constructed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from orchestrator.sweepfile.problems import InvalidSweep, Path, Position, SpecProblem

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
# `1e-6` is a number here, as in YAML 1.2; a YAML 1.1 reader takes it for text, which nobody who writes it means.
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$")
_LOOKS_NUMERIC = re.compile(r"[-+]?(0[0-9]+|0[xob][0-9a-fA-F_]+|[0-9]+(_[0-9]+)+|[0-9]+(:[0-9]+)+)$")
_FLAG_WORDS = {"yes", "no", "on", "off"}
_CONSTANTS = {
    "~": None, "": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass
class YamlSource:
    """Plain data, and where each value (by its path) and each key stands."""

    name: str
    text: str
    data: Any = None
    positions: dict[Path, Position] = field(default_factory=dict)
    key_positions: dict[Path, Position] = field(default_factory=dict)

    def position(self, path: Path) -> Position:
        """Where `path` stands, or the nearest of its parents that does."""
        for length in range(len(path), -1, -1):
            for places in (self.positions, self.key_positions):
                if path[:length] in places:
                    return places[path[:length]]
        return Position(self.name)

    def key_position(self, path: Path) -> Position:
        """Where the key of `path` stands; for problems with the key and not with its value."""
        return self.key_positions.get(path) or self.position(path)


def read_yaml(file: FilePath) -> YamlSource:
    """Read a file. Raises InvalidSweep for what cannot be read or is not one YAML mapping."""
    name = str(file)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidSweep([SpecProblem(Position(name), (), "there is no such file")]) from None
    except IsADirectoryError:
        raise InvalidSweep([SpecProblem(Position(name), (), "is a folder, not a sweep file")]) from None
    except PermissionError:
        raise InvalidSweep([SpecProblem(Position(name), (), "may not be read; check its permissions")]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise InvalidSweep([SpecProblem(Position(name), (), message)]) from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> YamlSource:
    """Parse one YAML document. Raises InvalidSweep with every problem found."""
    source = YamlSource(name=name, text=text)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = Position(name, mark.line + 1, mark.column + 1) if mark else Position(name)
        message = f"is not valid YAML: {error.problem or error.context}"
        raise InvalidSweep([SpecProblem(position, (), message)]) from None
    except yaml.YAMLError as error:  # a character that YAML forbids, which carries no mark
        raise InvalidSweep([SpecProblem(Position(name), (), f"is not valid YAML: {error}")]) from None
    if not isinstance(root, yaml.MappingNode):
        found = "is empty" if root is None else "is not a mapping"
        raise InvalidSweep([SpecProblem(Position(name), (), f"{found}; a sweep file starts with `name: ...`")])
    reader = _NodeReader(source)
    source.data = reader.read(root, ())
    if reader.problems:
        raise InvalidSweep(reader.problems)
    return source


class _NodeReader:
    """Turns nodes into plain data, remembering places and collecting problems."""

    def __init__(self, source: YamlSource) -> None:
        self.source = source
        self.problems: list[SpecProblem] = []
        self._open: list[yaml.Node] = []

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.source.positions[path] = self._position(node)
        if any(node is parent for parent in self._open):
            return self._problem(node, path, "contains itself through an alias")
        if node.tag.startswith("!") or "python/" in node.tag:
            return self._problem(node, path, f"has the tag {node.tag}; write plain values")
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

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = self._merged(value_node, path) | merged
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in result:
                first = self.source.key_positions[(*path, key)]
                self._problem(key_node, (*path, key), f"is given twice; the first is on line {first.line}")
                continue
            self.source.key_positions[(*path, key)] = self._position(key_node)
            result[key] = self.read(value_node, (*path, key))
        return merged | result

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for item in nodes:
            if not isinstance(item, yaml.MappingNode):
                self._problem(item, path, "merges (<<) something that is not a mapping")
            elif any(item is parent for parent in self._open):
                self._problem(item, path, "contains itself through an alias")
            else:
                result = self._mapping(item, path) | result
        return result

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(node, path, "has a key that is not a word")
            return None
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.style is not None:  # quoted, or a block: text
            return node.value
        trap = _trap(node.value, node.tag)
        return self._problem(node, path, trap) if trap else _plain_value(node.value)

    def _problem(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems.append(SpecProblem(self._position(node), path, message))

    def _position(self, node: yaml.Node) -> Position:
        return Position(self.source.name, node.start_mark.line + 1, node.start_mark.column + 1)


def _trap(text: str, tag: str) -> str | None:
    """What is wrong with a plain scalar that readers of YAML disagree about; None if they agree."""
    if text.lower() in _FLAG_WORDS:
        hint = "true" if text.lower() in ("yes", "on") else "false"
        return f"`{text}` is read as a word by some YAML readers; write {hint} or quote it"
    if _LOOKS_NUMERIC.match(text):
        return f"`{text}` is not the same number to all YAML readers; write it in digits"
    if tag.rpartition(":")[2] in ("float", "timestamp", "bool", "int") and isinstance(_plain_value(text), str):
        return f"`{text}` is not a plain number or true/false; write it so, or quote it"
    return None


def _plain_value(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
