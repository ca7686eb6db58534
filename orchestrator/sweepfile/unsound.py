"""Axes that are wrong, and what cannot be said because of them: the others are combined and checked nevertheless."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import bears_on, closest
from orchestrator.sweepfile.problems import Path


class Unsound:
    """The places in `axes` at which something is wrong."""

    def __init__(self, places: Iterable[Path] = ()) -> None:
        self.places = frozenset(path for path in places if path[:1] == ("axes",))
        self._names = {str(path[-1]) for path in map(_axis_of, self.places) if path}
        self._is_whole = any(len(path) < 3 for path in self.places)

    def __bool__(self) -> bool:
        return bool(self.places)

    def holds(self, path: Path) -> bool:
        """Whether a part of `axes` is not to be used."""
        if path[1] in ("when", "exclude"):
            return any(place[: len(path)] == path for place in self.places)
        return any(path[: len(place)] == place for place in self.places)

    def bears_on(self, name: str) -> bool:
        """Whether a trial's value of that name may come from an axis that is wrong, or misspelt."""
        last = name.rpartition(".")[2]
        return self._is_whole or any(
            bears_on(axis, name) or closest(axis.rpartition(".")[2], [last]) for axis in self._names
        )

    @property
    def may_make_twins(self) -> bool:
        """Whether trials may be the same only because of what is passed over."""
        return self._is_whole or any(path[1] != "grid" for path in self.places)


def _axis_of(path: Path) -> Path | None:
    """The axis that is wrong as a whole; None for one of its values, and for a rule."""
    length = {"grid": 3, "zip": 4}.get(str(path[1]) if path[1:] else "")
    return path if length == len(path) else None


def axes_of(axes: Axes) -> list[Path]:
    """The place of every axis, crossed or paired."""
    places: list[Path] = [("axes", "grid", name) for name in axes.grid]
    return places + [("axes", "zip", number, name) for number, group in enumerate(axes.zip) for name in group]


NOTHING_UNSOUND = Unsound()
