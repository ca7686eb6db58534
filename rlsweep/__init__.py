"""rlsweep for notebooks and scripts: a thin face that hands names on.

import rlsweep
reader = rlsweep.open("rlsweep.db")
reader.curve([1, 2])
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.reader import Reader

__version__ = version("rlsweep")
__all__ = ["__version__", "open"]


def _refuse_shadows() -> None:
    """Say plainly when a file beside the notebook hides one of our packages, whose names are short."""
    home = Path(__file__).resolve().parents[1]
    for name in ("db", "scaling", "workers", "orchestrator", "migrations"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin is None or home not in origin.parents:
            raise ImportError(f"rlsweep's package `{name}` is hidden by {origin}; rename that file or folder.")


_refuse_shadows()


def open(url: str | None = None) -> Reader:
    """Read a database: a path for SQLite, a URL for PostgreSQL, by default what `RLSWEEP_DB` names."""
    from db.database import open_database, resolve_url
    from db.reader import Reader

    return Reader(open_database(resolve_url(url), create=False))
