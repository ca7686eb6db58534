"""Named, versioned sets of values for `base`: a file each, put under what the sweep file says.

A version never changes once it has been published; a better recipe is a new version. `preset: paper` is the newest
version of `paper`, and trials keep the values that it had: their identity knows values, not presets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from orchestrator.sweepfile.inheritance import put_over
from orchestrator.sweepfile.problems import InvalidSweep, Path, Position, SpecProblem
from orchestrator.sweepfile.wording import nearest, shown
from orchestrator.sweepfile.yaml_source import YamlSource, parse_yaml

_PLACE: Path = ("base", "preset")
_SOURCE = "preset "
_FILE = re.compile(r"(?P<name>[a-z_]+)@(?P<version>[0-9]+)\.yaml")


def with_preset(source: YamlSource) -> YamlSource:
    """The sweep file put over the preset that its `base` names, if it does. Raises InvalidSweep for an unknown one."""
    base = source.data.get("base")
    if not isinstance(base, dict) or "preset" not in base:
        return source
    wanted = base.pop("preset")
    if not isinstance(wanted, str):
        raise _problem(source, f"found {shown(wanted)}, expected the name of a preset")
    versions = published()
    name, _, version = wanted.partition("@")
    if name not in versions:
        raise _problem(source, f"found '{wanted}', which is no preset{nearest(name, list(versions))}")
    newest = versions[name][-1]
    if version and version not in map(str, versions[name]):
        raise _problem(source, f"found '{wanted}'; the newest version of {name} is {name}@{newest}")
    return put_over(_read(f"{name}@{version or newest}"), source)


def is_preset(position: Position) -> bool:
    """Whether a value comes from a preset, and not from a file or the command line."""
    return position.source.startswith(_SOURCE)


@lru_cache(maxsize=1)
def published() -> dict[str, list[int]]:
    """The versions of every preset, ascending."""
    found: dict[str, list[int]] = {}
    for file in files(__name__).iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.setdefault(match["name"], []).append(int(match["version"]))
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def _read(name: str) -> YamlSource:
    text = files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    source = parse_yaml(text, f"{_SOURCE}{name}")
    parent = source.data.pop("extends", None)
    return source if parent is None else put_over(_read(parent), source)


def _problem(source: YamlSource, message: str) -> InvalidSweep:
    return InvalidSweep([SpecProblem(source.position(_PLACE), _PLACE, message)])
