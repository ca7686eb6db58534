"""What can be done with imported runs: a fit that works, or why there is none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.store.import_curves import ScoredBy

# Total -> what `rlsweep fit` needs to be told; compute is its default.
_OPTIONS = {"flops": "", "samples": " --x data", "tokens": " --x tokens", "step": " --x steps"}
_LISTED = 5


def next_step(scored: Sequence[ScoredBy], *, sweep: str, database: str | None) -> str:
    """The command that fits what was imported; without one, what is missing, in one line."""
    ready = [each for each in scored if each.rising and not each.unsized]
    if not ready:
        return f"Nothing to fit yet: {_missing(scored)}"
    chosen = ready[0]
    axis = next(option for name, option in _OPTIONS.items() if name in chosen.rising)
    given = f" --db {shlex.quote(database) if '://' not in database else 'URL'}" if database else ""
    return f"Next: rlsweep fit {shlex.quote(sweep)}{axis}{_selection(scored, chosen)}{given}"


def _selection(scored: Sequence[ScoredBy], chosen: ScoredBy) -> str:
    """A law is of one benchmark and one protocol; where there are more, one must be named."""
    benchmark = protocol = ""
    if len({each.benchmark for each in scored}) > 1:
        benchmark = f" --benchmark {shlex.quote(chosen.benchmark)}"
    if len({each.protocol for each in scored if not benchmark or each.benchmark == chosen.benchmark}) > 1:
        protocol = f" --protocol {shlex.quote(chosen.protocol)}"
    return benchmark + protocol


def _missing(scored: Sequence[ScoredBy]) -> str:
    if not scored:
        return "no score was imported; map a column to score or test_loss."
    unsized = list(dict.fromkeys(model for each in scored if each.rising for model in each.unsized))
    if not unsized:
        return "no run has scores at two steps after step 0."
    more = f" and {len(unsized) - _LISTED} more" if len(unsized) > _LISTED else ""
    option = "num_params" if len(unsized) == 1 else "num_params.MODEL"
    return (
        f"the size of {', '.join(unsized[:_LISTED])}{more} is not known. Import again with --set {option}=NUMBER, "
        "parameters without embeddings."
    )
