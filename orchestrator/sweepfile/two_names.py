"""`tau` and `data.tau` are one value: what is given last wins, under whichever name, and a file gives it once."""

from __future__ import annotations

from collections.abc import Container

from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource

_TAU: Path = ("base", "tau")
_TAU_OF_DATA: Path = ("base", "data", "tau")


def give_way(source: YamlSource, given: Container[Path]) -> None:
    """Without the value of the source that is given anew, at one of these places, under its other name."""
    for path, other in ((_TAU, _TAU_OF_DATA), (_TAU_OF_DATA, _TAU)):
        if path in given and other not in given:
            source.drop(other)


def given_under_two_names(source: YamlSource) -> list[SpecProblem]:
    """What one file, or one command line, gives twice."""
    if _TAU in source.positions and _TAU_OF_DATA in source.positions:
        message = f"is the same value as `base.data.tau` at {source.position(_TAU_OF_DATA)}; take one of them out"
        return [SpecProblem(source.position(_TAU), _TAU, message)]
    return []


def as_given(path: Path, source: YamlSource) -> Path:
    """Where a value of `base` stands, which may be under its other name."""
    return _TAU if path == _TAU_OF_DATA and path not in source.positions and _TAU in source.positions else path
