"""The command line: one command per module in `orchestrator.commands`, one place where errors become exit codes.

Nothing heavy is imported here or by the command modules at import time, so `--help` answers at once.
"""

from __future__ import annotations

import gc
import sys

import typer

from orchestrator.commands import checkpoint as checkpoint_commands
from orchestrator.commands import data as data_commands
from orchestrator.commands import db as db_commands
from orchestrator.commands import (
    explain,
    export,
    fit,
    frontier,
    logs,
    metrics,
    plan,
    plot,
    predict,
    schema,
    show,
    sql,
    status,
    steer,
    submit,
    validate,
    version,
)
from orchestrator.commands import import_ as import_commands

app = typer.Typer(
    name="rlsweep",
    help="Experiment sweeps and a results database for scaling laws of RL post-training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # the other ways take `[default: ...]` in a help text for a style, and leave it out
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    validate,
    plan,
    submit,
    status,
    show,
    logs,
    metrics,
    explain,
    fit,
    predict,
    frontier,
    plot,
    sql,
    export,
    schema,
    version,
):
    app.command(name=module.NAME)(module.command)
steer.add_to(app)
app.add_typer(import_commands.app, name=import_commands.NAME)
app.add_typer(checkpoint_commands.app, name=checkpoint_commands.NAME)
app.add_typer(data_commands.app, name=data_commands.NAME)
app.add_typer(db_commands.app, name=db_commands.NAME)


def main() -> None:
    """Run the command line. What a user can act on is one message and an exit code, never a traceback."""
    from db.errors import RlsweepError

    # What a command makes lives until it ends. To look for garbage in it after every 700 objects, as Python does, takes
    # a tenth of the time of a plan of ten thousand trials.
    gc.set_threshold(100_000, 10, 10)
    try:
        app()
    except RlsweepError as error:
        print(f"rlsweep: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("rlsweep: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`rlsweep status | head`); keep Python from complaining at exit.
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
