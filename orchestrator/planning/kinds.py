"""Trials that differ in nothing but their seed are of one kind: they are planned once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.identity import science
from workers.spec import TrialSpec


@dataclass(frozen=True)
class Kind:
    """The trials of one kind, in order; `axes` are without the seed, and the seed of `spec` means nothing."""

    spec: TrialSpec
    axes: Mapping[str, Any]
    trials: tuple[ExpandedTrial, ...]

    @cached_property
    def science(self) -> Mapping[str, Any]:
        """The canonical configuration of its first trial."""
        return science(self.spec)

    @property
    def label(self) -> str:
        """What tells it from the others, such as `qwen2.5-7b, tau 5`; the model's name where nothing varies."""
        return self._label(named=[name for name in self.axes if name != "model"])

    @property
    def short_label(self) -> str:
        """The same, naming those axes alone whose values are numbers: `dapo, qwen2.5-7b, tau 5`."""
        return self._label(named=[name for name, value in self.axes.items() if isinstance(value, int | float)])

    def _label(self, *, named: Sequence[str]) -> str:
        parts = [f"{name} {_plain(value)}" if name in named else _plain(value) for name, value in self.axes.items()]
        return ", ".join(parts) or self.spec.model.name


def kinds_of(trials: Iterable[ExpandedTrial]) -> list[Kind]:
    """The kinds, in the order of their first trials."""
    same_parts: dict[tuple[int, ...], list[ExpandedTrial]] = {}
    groups: dict[tuple[Any, ...], list[ExpandedTrial]] = {}
    for trial in trials:
        parts = _parts(trial.spec)
        # Trials made from one another share their parts: to see that is much faster than to compare values.
        identity = tuple(map(id, parts))
        if identity not in same_parts:
            same_parts[identity] = groups.setdefault(parts, [])
        same_parts[identity].append(trial)
    return [
        Kind(
            spec=members[0].spec,
            axes={name: value for name, value in members[0].axes.items() if name != "seed"},
            trials=tuple(members),
        )
        for members in groups.values()
    ]


def _parts(spec: TrialSpec) -> tuple[Any, ...]:
    return tuple(getattr(spec, name) for name in TrialSpec.model_fields if name != "seed")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(_plain(each) for each in value)
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
