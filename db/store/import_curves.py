"""Which totals the scores of a sweep can be drawn against: what to say after an import about a fit of it.

It reads the live lineage through the view that a fit reads, so that scores and steps from several files count together.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from db.connection.explanations import explained
from db.tables import Sweep, SweepTrial
from db.views import learning_curve

_TOTALS = ("flops", "samples", "tokens", "step")


@dataclass(frozen=True)
class ScoredBy:
    """The scores of a sweep on one benchmark under one protocol.

    `rising` names the totals that rise from one score of a run to another, which a law over them needs; `unsized`
    the models whose size is not known.
    """

    benchmark: str
    protocol: str
    rising: frozenset[str]
    unsized: tuple[str, ...]


def scored_by(engine: Engine, sweep: str) -> list[ScoredBy]:
    """A line a benchmark and protocol, in order of their names; none for a sweep without scores."""
    curve = learning_curve.c
    totals = [getattr(func, kind)(curve[name]).filter(curve[name] > 0) for name in _TOTALS for kind in ("min", "max")]
    members = select(SweepTrial.trial_id).join(Sweep, Sweep.id == SweepTrial.sweep_id).where(Sweep.name == sweep)
    keys = (curve.benchmark, curve.protocol)
    statement = (
        select(*keys, curve.model, func.count(curve.num_params).label("sized"), *totals)
        .where(curve.trial_id.in_(members))
        .group_by(*keys, curve.trial_id, curve.model)
        .order_by(*keys, curve.trial_id)
    )
    found: dict[tuple[str, str], tuple[set[str], dict[str, None]]] = {}
    with explained(engine.url), engine.connect() as connection:
        for benchmark, protocol, model, sized, *ends in connection.execute(statement):
            rising, unsized = found.setdefault((benchmark, protocol), (set(), {}))
            pairs = zip(_TOTALS, ends[::2], ends[1::2], strict=True)
            rising |= {name for name, least, most in pairs if least is not None and least < most}
            unsized |= {} if sized else {model: None}
    return [ScoredBy(*keys, frozenset(rising), tuple(unsized)) for keys, (rising, unsized) in found.items()]
