"""What a trial has of each name: `base`, over it what the algorithm's name sets, over that the axes and their rules.

A mapping is put over what is there leaf by leaf. What the file itself gives wins over what the algorithm sets.
Conditions ask here, and trials are built from here, so that both see the same trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.sweepfile.algorithms import SETTINGS
from orchestrator.sweepfile.names import default_of, one_name
from orchestrator.sweepfile.problems import Path, dotted
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import OF_TASKS

_NOTHING = object()


class EffectiveValues:
    """Makes the values of trials from those of axes; what trials of one algorithm have in common is made once."""

    def __init__(self, base: Mapping[str, Any], source: YamlSource) -> None:
        self._base = _with_tau_at_the_top(dict(base))
        self._given = _given_by_the_file(base, source)
        self._of_prompts = _of_prompts_in_the_preset(base, source)
        self._by_algorithm: dict[str, dict[str, Any]] = {}

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the trial with these axis values, nested; they share parts with other trials."""
        algorithm = values.get("algorithm", self._base.get("algorithm"))
        made = dict(self._under(algorithm if isinstance(algorithm, str) else ""))
        for name, value in values.items():
            _put(made, name, value)
        if self._of_prompts and isinstance(made.get("data"), dict) and made["data"].get("task") is not None:
            self._give_way_to_a_task(made, values)
        return made

    def _give_way_to_a_task(self, made: dict[str, Any], values: Mapping[str, Any]) -> None:
        """Leave out what the preset says of how prompts of a file are read and judged."""
        whole = values.get("data")
        given = {name.removeprefix("data.") for name in values} | set(whole if isinstance(whole, Mapping) else ())
        idle = self._of_prompts - given
        made["data"] = {name: value for name, value in made["data"].items() if name not in idle}

    def _under(self, algorithm: str) -> dict[str, Any]:
        """`base` with what the algorithm sets."""
        if algorithm not in self._by_algorithm:
            made = dict(self._base)
            for name, value in SETTINGS.get(algorithm, {}).items():
                if name not in self._given:
                    _put(made, name, value)
            self._by_algorithm[algorithm] = made
        return self._by_algorithm[algorithm]


def value_of(name: str, effective: Mapping[str, Any]) -> Any:
    """A trial's value of that dotted name; the default where nobody gives one."""
    current: Any = effective
    for part in one_name(name).split("."):
        current = current.get(part, _NOTHING) if isinstance(current, Mapping) else _NOTHING
    return default_of(name) if current is _NOTHING else current


def matches(pattern: Mapping[str, Any], effective: Mapping[str, Any]) -> bool:
    """Whether a trial with these values has every name's value, or one of its list of values."""
    return all(is_among(wanted, name, effective) for name, wanted in pattern.items())


def is_among(wanted: Any, name: str, effective: Mapping[str, Any]) -> bool:
    """Whether a trial's value of that name is the one that is wanted, or one of a list of them."""
    options = [wanted, *wanted] if isinstance(wanted, list) else [wanted]
    return any(_is(option, name, effective) for option in options)


def _is(wanted: Any, name: str, effective: Mapping[str, Any]) -> bool:
    found = value_of(name, effective)
    if isinstance(wanted, Mapping) and wanted:  # what it does not name may be anything
        return found is not None and all(_is(value, f"{name}.{part}", effective) for part, value in wanted.items())
    # Python's True is 1.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def merged(below: Any, above: Any) -> Any:
    """A value put over another one: mappings leaf by leaf, anything else in its place."""
    if not isinstance(above, dict) or not isinstance(below, dict):
        return above
    return {**below, **{name: merged(below.get(name), value) for name, value in above.items()}}


def _with_tau_at_the_top(values: dict[str, Any]) -> dict[str, Any]:
    data = values.get("data")
    if isinstance(data, dict) and data.get("tau") is not None:
        values["data"] = {name: value for name, value in data.items() if name != "tau"}
        values["tau"] = data["tau"]
    return values


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    """Put a value over what is there; mappings on the way are copied, since other trials have them too."""
    if name == "data" and isinstance(value, dict):
        above = _with_tau_at_the_top({"data": value})
        data.update({"tau": above["tau"]} if "tau" in above else {})
        value = above["data"]
    *way, last = name.split(".")
    for part in way:
        inner = data.get(part)
        if inner is not None and not isinstance(inner, dict):
            return  # base holds a plain value where a mapping belongs; checking the point says so
        data[part] = dict(inner or {})
        data = data[part]
    data[last] = merged(data.get(last), value)


def _given_by_the_file(base: Mapping[str, Any], source: YamlSource) -> set[str]:
    """Dotted names of the values of `base` that do not come from a preset."""
    return {dotted(path[1:]) for path in leaves(base, ("base",)) if not source.position(path).is_preset}


def _of_prompts_in_the_preset(base: Mapping[str, Any], source: YamlSource) -> set[str]:
    """The names of `base.data` that a preset gives and that mean nothing beside a task."""
    data = base.get("data")
    names = set(data) - OF_TASKS if isinstance(data, Mapping) else set()
    return {name for name in names if source.position(("base", "data", name)).is_preset}


def leaves(values: Mapping[str, Any], path: Path) -> Iterator[Path]:
    """The path of every value that is no mapping."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)
