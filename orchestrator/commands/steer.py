"""`rlsweep pause`, `resume`, `cancel`, `retry`, `prioritise`: from any terminal, whether the sweep runs or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

if TYPE_CHECKING:
    from db.reader import TrialRow
    from db.store import SteeringStore

    # What is asked of these trials; returns those that it changed something of.
    Request = Callable[[SteeringStore, Sequence[int]], list[int]]

SweepToSteer = Annotated[str, typer.Argument(metavar="SWEEP", help="Name of the sweep.", show_default=False)]
TrialOption = Annotated[
    list[int] | None, typer.Option("--trial", "-t", metavar="NUMBER", help="Only this trial; several times for more.")
]
StateOption = Annotated[
    list[str] | None, typer.Option("--state", "-s", metavar="STATE", help="Only trials in this state, as failed.")
]
ClassOption = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="Only trials that failed in this way, as gpu_memory."),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", "-w", metavar="NAME=VALUE", help="Only trials with this model, seed or value of an axis."),
]
PriorityOption = Annotated[
    int, typer.Option("--priority", "-p", metavar="NUMBER", help="As 10: before those at 0.", show_default=False)
]


@dataclass(frozen=True)
class Steering:
    """A command that asks the same of all trials it is given. `done` ends a sentence: 3 trials `done`."""

    name: str
    help: str
    done: str
    request: Request


STEERINGS = (
    Steering(
        "pause",
        "Let trials save and stop at the end of their step, and wait until they are resumed.",
        "paused",
        lambda store, trials: store.pause(trials),
    ),
    Steering(
        "resume",
        "Let trials that were paused go on: at once where their sweep runs, else when it is submitted.",
        "resumed",
        lambda store, trials: store.resume(trials),
    ),
    Steering(
        "cancel",
        "End trials, those that run at the end of their step. Results are kept; `retry` takes it back.",
        "cancelled",
        lambda store, trials: store.cancel(trials),
    ),
    Steering(
        "retry",
        "Try trials again that failed or were cancelled, from their last checkpoint: at once where their sweep runs.",
        "to be tried again",
        lambda store, trials: store.retry(trials),
    ),
)


def add_to(app: typer.Typer) -> None:
    """Make all of them commands of the application."""
    for steering in STEERINGS:
        app.command(name=steering.name, help=steering.help)(_command(steering))
    app.command(name="prioritise")(prioritise)


def _command(steering: Steering) -> Callable[..., None]:
    def command(
        sweep: SweepToSteer,
        trial: TrialOption = None,
        state: StateOption = None,
        failure_class: ClassOption = None,
        where: WhereOption = None,
        database: DatabaseOption = None,
        as_json: JsonOption = False,
    ) -> None:
        chosen = (trial or (), state or (), failure_class or (), where or ())
        _steer(steering.request, steering.done, sweep, *chosen, database=database, as_json=as_json)

    return command


def prioritise(
    sweep: SweepToSteer,
    priority: PriorityOption,
    trial: TrialOption = None,
    state: StateOption = None,
    failure_class: ClassOption = None,
    where: WhereOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let waiting trials start before those of a lower priority. What runs is not disturbed."""
    chosen = (trial or (), state or (), failure_class or (), where or ())
    done = f"at priority {priority} now"
    _steer(lambda store, ids: store.prioritise(ids, priority), done, sweep, *chosen, database=database, as_json=as_json)


def _steer(
    request: Request,
    done: str,
    sweep: str,
    trials: Sequence[int],
    states: Sequence[str],
    classes: Sequence[str],
    where: Sequence[str],
    *,
    database: str | None,
    as_json: bool,
) -> None:
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from db.store import SteeringStore
    from orchestrator.choosing import Choice, chosen

    engine = open_database(resolve_url(database), create=False)
    reader = Reader(engine)
    found = reader.sweep(sweep)
    meant = chosen(reader.trials(found.id), Choice(tuple(trials), tuple(states), tuple(classes), tuple(where)))
    changed = set(request(SteeringStore(engine), [row.trial_id for row in meant]))
    after = [row for row in reader.trials(found.id) if row.trial_id in changed]
    if as_json:
        typer.echo(json.dumps([{"trial_id": row.trial_id, "state": row.state, "hold": row.hold} for row in after]))
    else:
        typer.echo(_said(found.name, done, num_meant=len(meant), changed=after))


def _said(sweep: str, done: str, *, num_meant: int, changed: Sequence[TrialRow]) -> str:
    if not changed:
        return f"Nothing changes: {_counted(num_meant)} of {sweep} chosen, and no state of theirs that this is for."
    numbers = ", ".join(str(row.trial_id) for row in changed)
    running = sum(row.state == "running" and row.hold is not None for row in changed)
    until = f"; {running} of them at the end of the step" if running else ""
    return f"{_counted(len(changed))} of {sweep} {done} ({numbers}){until}."


def _counted(number: int) -> str:
    return f"{number} trial{'s' * (number != 1)}"
