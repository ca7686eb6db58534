"""What a Ray job runs: `python -m orchestrator.launching.sent_job OPTIONS`, in the folder that was sent with it.

It is `rlsweep submit` of the sweep file there, on the cluster that it finds itself on.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

SWEEP_FILE = "sweep.yaml"
ENVIRONMENT_FILE = "environment.json"

_JOB, _ADDRESS = "RLSWEEP_JOB", "RLSWEEP_JOB_ADDRESS"


@dataclass(frozen=True)
class JobPlace:
    """A job's number, and the address of the dashboard that it was sent to."""

    job: str
    address: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables from which the job knows what it is."""
        return {_JOB: self.job, _ADDRESS: self.address}


def this_job() -> JobPlace | None:
    """The Ray job that this process drives a sweep in; None for a driver that a person started."""
    job, address = os.environ.get(_JOB), os.environ.get(_ADDRESS)
    return JobPlace(job, address) if job and address else None


def main() -> None:
    from orchestrator import cli

    os.environ |= json.loads(Path(ENVIRONMENT_FILE).read_text())
    sys.argv = ["rlsweep", "submit", str(Path(SWEEP_FILE).absolute()), "--address", "auto", *sys.argv[1:]]
    # Ray deletes the folder that was sent. What stays on this machine, where only checkpoints go to a store, is found
    # again by the next job.
    os.chdir(Path.home())
    cli.main()


if __name__ == "__main__":
    main()
