"""rlsweep for notebooks and scripts: a thin face that hands names on.

import rlsweep
with rlsweep.open("rlsweep.db") as results:
    curve = results.learning_curve(sweep="quickstart")
    best = results.sql("SELECT model, MIN(test_loss) AS test_loss FROM learning_curve GROUP BY model")
law = rlsweep.fit(curve, x="data")
"""

from __future__ import annotations

import importlib.util
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.frames import Results

__version__ = version("rlsweep")
__all__ = ["Error", "__version__", "budget_for", "decompose", "fit", "frame", "frontier", "open", "predict"]


def _refuse_shadows() -> None:
    """Say plainly when a file beside the notebook hides one of our packages, whose names are short."""
    home = Path(__file__).resolve().parents[1]
    for name in ("db", "scaling", "exchange", "workers", "orchestrator", "migrations"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin is None or home not in origin.parents:
            raise ImportError(f"rlsweep's package `{name}` is hidden by {origin}; rename that file or folder.")


_refuse_shadows()

from db.errors import RlsweepError as Error  # noqa: E402 - not before it is known to be ours
from rlsweep.laws import budget_for, decompose, fit, frame, frontier, predict  # noqa: E402


def open(url: str | os.PathLike[str] | None = None, *, time_limit_seconds: float | None = None) -> Results:
    """Read a database: a path for SQLite, a URL for PostgreSQL, by default what `RLSWEEP_DB` names.

    What is returned cannot write. `time_limit_seconds` is how long the database may work on one query; None: for ever.
    Whatever goes wrong is raised as `rlsweep.Error`, with one sentence on what to do.
    """
    from db.database import resolve_url
    from exchange.frames import Results

    return Results(resolve_url(url), time_limit_seconds=time_limit_seconds)
