"""No isolation at all: only limits, an empty environment and a folder that is removed afterwards.

A program can read and write what its user can, use the network and leave processes behind. For machines that allow no
sandbox and programs that are trusted; never chosen unless somebody asked for it.
"""

from __future__ import annotations

import resource
import tempfile
from dataclasses import dataclass

from workers.sandbox import interpreter
from workers.sandbox.isolation import Entry
from workers.sandbox.limits import Limits
from workers.sandbox.payload import Step


@dataclass(frozen=True)
class Unisolated:
    """The interpreter as it is."""

    name: str = "no isolation"

    def enter(self, limits: Limits) -> Entry:
        """The command line of the next program. All processes of the user would count against a limit of threads."""
        folder = tempfile.mkdtemp(prefix="rlsweep-program-")
        resources = [limit for limit in limits.resources() if limit[0] != resource.RLIMIT_NPROC]
        return Entry(
            executable=interpreter.base_executable(),
            environment=interpreter.environment(home=folder, libraries=""),
            steps=[Step("confinement", "confine", {"user": None, "resources": resources})],
            folder=folder,
        )
