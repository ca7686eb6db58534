"""Named, versioned sets of values for `base`: a file each, put under what the sweep file says.

A version never changes once it has been published; a better recipe is a new version. `preset: paper` is the newest
version of `paper`, and trials keep the values that it had: their identity knows values, not presets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.inheritance import put_over
from orchestrator.sweepfile.names import PRESET, nearest
from orchestrator.sweepfile.problems import PRESET_SOURCE, Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource, parse_yaml

_PLACE: Path = ("base", PRESET)
_FILE = re.compile(r"(?P<name>[a-z_]+)@(?P<version>[0-9]+)\.yaml")


def with_preset(source: YamlSource) -> YamlSource:
    """The sweep file put over the preset that its `base` names, if it does; an unknown one becomes a problem of it.

    Where a trial's task leaves its values no meaning, they give way; see `effective`.
    """
    base = source.data.get("base")
    if not isinstance(base, dict) or PRESET not in base:
        return source
    wanted = base.pop(PRESET)
    reason = _reason_against(wanted)
    if reason is not None:
        source.problems.append(SpecProblem(source.position(_PLACE), _PLACE, reason))
        source.unread.append(("base",))
        return source
    name, _, version = wanted.partition("@")
    preset = _read(f"{name}@{version or published()[name][-1]}")
    return put_over(preset, source)


def _reason_against(wanted: Any) -> str | None:
    versions = published()
    if not isinstance(wanted, str):
        return f"found {shown(wanted)}, expected the name of a preset: {', '.join(versions)}"
    name, at, version = wanted.partition("@")
    if name not in versions:
        return f"found '{wanted}', which is no preset{nearest(name, list(versions))}"
    if at and version not in map(str, versions[name]):
        return f"found '{wanted}'; the newest version of {name} is {name}@{versions[name][-1]}"
    return None


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
    source = parse_yaml(text, f"{PRESET_SOURCE}{name}")
    parent = source.data.pop("extends", None)
    return source if parent is None else put_over(_read(parent), source)
