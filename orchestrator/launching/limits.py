"""The limits of a sweep: what it may spend in all, and the sentence that says that it has."""

from __future__ import annotations

from db.spending import Spending
from orchestrator.sweepfile.running import Limits


def reached(limits: Limits, spent: Spending) -> str | None:
    """Which limit is reached, with what was spent and what to do about it; None: none is."""
    found = [
        f"limits.{name}: {amount:,.4g} of {limit:,.4g} spent"
        for name, limit, amount in _limited(limits, spent)
        if limit is not None and amount >= limit
    ]
    return "; ".join(found) or None


def are_watched(limits: Limits) -> bool:
    """Whether the sweep has a limit on what it spends."""
    return any(limit is not None for _, limit, _ in _limited(limits, Spending()))


def _limited(limits: Limits, spent: Spending) -> tuple[tuple[str, float | None, float], ...]:
    cost = spent.gpu_hours * (limits.price_per_gpu_hour or 0.0)
    return (
        ("gpu_hours", limits.gpu_hours, spent.gpu_hours),
        ("flops", limits.flops, spent.flops),
        ("cost", limits.cost, cost),
    )
