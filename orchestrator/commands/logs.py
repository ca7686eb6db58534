"""`rlsweep logs`: what a trial's attempts have printed, or the driver of a sweep that was sent to a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from db.reader import Reader

NAME = "logs"

WhatArgument = Annotated[
    str, typer.Argument(metavar="TRIAL|SWEEP", help="Number of a trial, or name of a sweep sent to a cluster.")
]
AttemptOption = Annotated[
    int | None, typer.Option("--attempt", "-a", metavar="NUMBER", help="Of this attempt.  [default: the newest]")
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, until the trial's end.")]
LinesOption = Annotated[int, typer.Option("--lines", "-n", metavar="NUMBER", min=0, help="How many of the last lines.")]

_LOOK_SECONDS = 1.0


def command(
    what: WhatArgument,
    attempt: AttemptOption = None,
    follow: FollowOption = False,
    lines: LinesOption = 100,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the log of a trial, or with `-f` watch it grow."""
    from db.database import open_database, resolve_url
    from db.reader import Reader

    reader = Reader(open_database(resolve_url(database), create=False))
    if not what.isdecimal():
        _show_driver(reader, what, follow=follow)
        return
    for number, line in _lines(reader, int(what), attempt=attempt, follow=follow, lines=lines):
        typer.echo(json.dumps({"trial_id": int(what), "attempt": number, "line": line}) if as_json else line)


def _lines(
    reader: Reader, trial_id: int, *, attempt: int | None, follow: bool, lines: int
) -> Iterator[tuple[int, str]]:
    """Attempt and line; when followed, over to the next attempt unless one was asked for."""
    from orchestrator.log_files import last_lines, new_lines

    reader.trial(trial_id)  # or says that there is none
    found = _attempt(reader, trial_id, attempt)
    while True:
        log, number = _log_of(found, trial_id), found["number"]
        shown, position = last_lines(log, lines)
        yield from ((number, line) for line in shown)
        if not follow:
            return
        yield from ((number, line) for line in new_lines(log, position, is_over=partial(_has_ended, reader, found)))
        following = None if attempt is not None else _next_attempt(reader, trial_id, after=found)
        if following is None:
            return
        found, lines = following, 10**6
        ended = _state(reader, trial_id, number)
        yield number, f"--- attempt {number} is over ({ended}); this is attempt {found['number']} ---"


def _attempt(reader: Reader, trial_id: int, number: int | None) -> RowMapping:
    from db.errors import SpecError

    made = reader.attempts(trial_id)
    found = [each for each in made if number in (None, each["number"])]
    if not made:
        raise SpecError(f"Trial {trial_id} has no attempt yet, and so no log; `rlsweep status` shows when it starts.")
    if not found:
        raise SpecError(f"Trial {trial_id} has no attempt {number}; it has had {len(made)}, numbered from 1.")
    return found[-1]


def _log_of(attempt: RowMapping, trial_id: int) -> Path:
    from db.errors import EnvironmentProblem

    uri, which = attempt["log_uri"], f"attempt {attempt['number']} of trial {trial_id}"
    if uri is None:
        raise EnvironmentProblem(f"There is no log of {which}: it ended before it had one.")
    if not Path(uri).is_file():
        raise EnvironmentProblem(
            f"The log of {which} is {uri} on {attempt['host']}, and not here. Look there, or keep artifacts in a "
            "folder that all machines see."
        )
    return Path(uri)


def _has_ended(reader: Reader, attempt: RowMapping) -> bool:
    return _state(reader, attempt["trial_id"], attempt["number"]) != "running"


def _state(reader: Reader, trial_id: int, number: int) -> str:
    return str(next(each["state"] for each in reader.attempts(trial_id) if each["number"] == number))


def _next_attempt(reader: Reader, trial_id: int, *, after: RowMapping) -> RowMapping | None:
    """The attempt that follows, waited for as long as a driver may start one; None: there will be none."""
    from db.states import FINAL_TRIAL_STATES

    while True:
        trial: Any = reader.trial(trial_id)
        newer = [each for each in reader.attempts(trial_id) if each["number"] > after["number"] and each["log_uri"]]
        if newer:
            return newer[0]
        has_driver = after["sweep_id"] is not None and reader.driver(after["sweep_id"]).is_alive
        if trial["state"] in FINAL_TRIAL_STATES or trial["hold"] or not has_driver:
            return None
        time.sleep(_LOOK_SECONDS)


def _show_driver(reader: Reader, sweep: str, *, follow: bool) -> None:
    from db.errors import SpecError
    from orchestrator.launching.jobs import show_output
    from orchestrator.launching.sent_job import JobPlace

    found = reader.sweep(sweep)
    driver = reader.driver(found.id)
    if driver.job is None or driver.cluster is None:
        raise SpecError(
            f"Sweep {found.name} was not sent to a cluster: its driver prints where it was started. Of a trial: "
            "rlsweep logs TRIAL, with its number as `rlsweep status` shows it."
        )
    show_output(JobPlace(driver.job, driver.cluster), follow=follow, show=lambda part: typer.echo(part, nl=False))
