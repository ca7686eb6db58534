"""What became of a kept fit that was made again, in lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.fit_rerun import Rerun, RowChange

NAMED = 5  # evaluations of each kind


def lines(done: Rerun) -> list[str]:
    """The verdict, then the evaluations that speak against it, the first of each kind by name."""
    said = [_verdict(done)]
    said += _listed(done.changed, "changed", _rescored)
    said += _listed(done.gone, "gone", lambda each: f"score {_score(each.was)}")
    said += _listed(done.new, "new, and not in it", lambda each: f"score {_score(each.now)}")
    if done.version is not None:
        said.append(f"  It was made by rlsweep {done.version}.")
    return said


def _verdict(done: Rerun) -> str:
    if done.is_same:
        return f"Fit {done.fit_id} comes out the same, to the bit."
    if done.is_same is False:
        return f"Fit {done.fit_id} comes out different from the same rows, in its {', '.join(done.different)}."
    return (
        f"Fit {done.fit_id} cannot be made again: rows that it was made of are not what they were. It stays as it was "
        "kept; fit the sweep anew for what is there now."
    )


def _listed(changes: Sequence[RowChange], what: str, said: Callable[[RowChange], str]) -> list[str]:
    if not changes:
        return []
    count = f"{len(changes):,} evaluation{'s' if len(changes) > 1 else ''}"
    named = [f"    {_name(each)}: {said(each)}" for each in changes[:NAMED]]
    more = [f"    and {len(changes) - NAMED:,} more; --json has all"] if len(changes) > NAMED else []
    return [f"  {count} {what}:", *named, *more]


def _name(each: RowChange) -> str:
    seed = "" if each.seed is None else f", seed {each.seed}"
    return f"{each.model}{seed}, step {each.step}, {each.benchmark} ({each.protocol})"


def _rescored(each: RowChange) -> str:
    if each.was is None:
        return f"score {_score(each.now)} now, what it was is not known"
    if each.was == each.now:
        return f"score {_score(each.now)} as before; another of its values is not what it was"
    return f"score {_score(each.was)} -> {_score(each.now)}"


def _score(score: float | None) -> str:
    return "not known" if score is None else f"{score:.4g}"
