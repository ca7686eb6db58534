"""A driver that runs on the cluster itself, as a Ray job, while nobody waits for it.

What is sent is the sweep file, this driver's code, and in a file beside it what is secret, such as the database's URL:
the settings of a job are shown to everybody who may look at the cluster, the files that it works with are not.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ray.job_submission import JobStatus, JobSubmissionClient
from sqlalchemy import URL

from db.errors import DatabaseError, EnvironmentProblem
from orchestrator.launching.cluster import code_for_nodes
from orchestrator.launching.sent_job import ENVIRONMENT_FILE, SWEEP_FILE, JobPlace

_START_SECONDS = 120.0  # its code goes to the head node first
_MOMENT_SECONDS = 3.0
_POLL_SECONDS = 0.5


def send(
    sweep: str, *, text: str, options: Sequence[str], database: URL, environment: Mapping[str, str], address: str
) -> str:
    """Start a driver of the sweep whose file has this text, on the cluster; returns the number of its job.

    `options` are those of `submit`; `environment` are variables that it takes its secrets from; `address` is that of
    the cluster's dashboard, as in http://10.0.0.1:8265. Raises DatabaseError for a database that the cluster could not
    reach, EnvironmentProblem where the cluster says no.
    """
    if database.get_backend_name() == "sqlite":
        raise DatabaseError(
            f"{database.database} is an SQLite file of this machine, which the cluster cannot write to. Use "
            "PostgreSQL: --db postgresql+psycopg://user@host/name."
        )
    client = _client(address)
    job = f"rlsweep-{sweep}-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="rlsweep-job-") as folder:
        (Path(folder) / SWEEP_FILE).write_text(text)
        secret = Path(folder) / ENVIRONMENT_FILE
        secret.touch(mode=0o600)
        secret.write_text(json.dumps({**environment, "RLSWEEP_DB": database.render_as_string(hide_password=False)}))
        code = code_for_nodes()
        shown = code.pop("env_vars") | JobPlace(job, address).environment
        submit = partial(
            client.submit_job,
            entrypoint=shlex.join(["python", "-m", "orchestrator.launching.sent_job", *options]),
            submission_id=job,
            runtime_env={"working_dir": folder, "env_vars": shown, **code},
        )
        try:
            _once_the_cluster_is_up(submit)
        except (RuntimeError, OSError) as error:
            raise EnvironmentProblem(f"The cluster at {address} did not take the sweep: {error}") from error
    _see_it_start(client, job)
    return job


def show_output(place: JobPlace, *, follow: bool, show: Callable[[str], None]) -> None:
    """Show what a job's driver has printed; with `follow`, also what it prints until it ends."""
    client = _client(place.address)
    try:
        if not follow:
            show(client.get_job_logs(place.job))
            return
        asyncio.run(_follow(client, place.job, show))
    except (RuntimeError, OSError) as error:
        raise EnvironmentProblem(f"The cluster at {place.address} does not show job {place.job}: {error}") from error


def _once_the_cluster_is_up(submit: Callable[[], object]) -> None:
    """A cluster that has only just been started answers before it can run a job, and says to try again later."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            submit()
        except RuntimeError as error:
            if "try again later" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _see_it_start(client: JobSubmissionClient, job: str) -> None:
    """Wait until the driver has run for a moment: what is wrong with where it runs shows at once."""
    ran, deadline = 0.0, time.monotonic() + _START_SECONDS
    while ran < _MOMENT_SECONDS and time.monotonic() < deadline:
        status = client.get_job_status(job)
        if status == JobStatus.SUCCEEDED:
            return
        if status.is_terminal():
            printed = client.get_job_logs(job).strip()[-2000:]
            raise EnvironmentProblem(f"The driver ended at once on the cluster, as job {job}. It printed:\n{printed}")
        time.sleep(_POLL_SECONDS)
        ran += _POLL_SECONDS * (status == JobStatus.RUNNING)


async def _follow(client: JobSubmissionClient, job: str, show: Callable[[str], None]) -> None:
    async for part in client.tail_job_logs(job):
        show(part)


def _client(address: str) -> JobSubmissionClient:
    try:
        return JobSubmissionClient(address)
    except (RuntimeError, ValueError, OSError) as error:
        raise EnvironmentProblem(
            f"There is no Ray dashboard at {address}: {error}. Jobs are sent to the one of the head node, as in "
            "http://10.0.0.1:8265; it runs where `ray[default]` is installed."
        ) from error
