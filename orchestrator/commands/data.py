"""`rlsweep data`: what is in a file of prompts, and which held-out problems are trained on in other words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import JsonOption

if TYPE_CHECKING:
    from workers.spec import Data

NAME = "data"

app = typer.Typer(help="Look at prompts: what is in a file, and what of it is held out.", no_args_is_help=True)

_FileOption = Annotated[
    str | None, typer.Option("--file", metavar="PATH", help="One file of a folder or a data set on the hub.")
]
_RevisionOption = Annotated[
    str | None, typer.Option("--revision", metavar="COMMIT", help="Revision of a data set on the hub.")
]


@app.command("inspect")
def inspect_command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP_OR_PLACE", help="A sweep file, or a parquet file, a folder of them, org/name on the hub."
        ),
    ],
    heldout: Annotated[
        str | None, typer.Option("--heldout", metavar="PLACE", help="The problems kept for scoring.")
    ] = None,
    file: _FileOption = None,
    revision: _RevisionOption = None,
    total_prompts: Annotated[
        int | None, typer.Option("--total-prompts", metavar="N", min=1, help="Size of the pool.  [default: all]")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", metavar="FOLDER", help="Count tokens with this model's tokenizer.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count the prompts of a place, or of each data set of a sweep: sources, difficulty, lengths, slices.

    Of a sweep the data are those of its trials, whatever the other options say but --tokenizer.
    """
    from orchestrator.screens.data_page import inspection_as_json, print_inspection, prompts_console
    from workers.prompts.heldout import reason_against_heldout
    from workers.prompts.inspection import TAUS, inspect
    from workers.prompts.lengths import token_counter

    count_tokens = token_counter(tokenizer) if tokenizer else None
    if _is_sweep(place):
        sections = list(_of_sweep(Path(place)))
    else:
        given = _data(place, file=file, revision=revision, heldout=heldout, total_prompts=total_prompts)
        sections = [(given, None, TAUS)]
    found = []
    for data, last_prompts, taus in sections:
        # A place on the hub is asked for its held-out problems only where the sweep or the user names them.
        with_heldout = data.heldout is not None or (_is_sweep(place) and reason_against_heldout(data) is None)
        seen = inspect(data, count_tokens=count_tokens, last_prompts=last_prompts, taus=taus, with_heldout=with_heldout)
        found.append((data, seen))
    if as_json:
        typer.echo(json.dumps([inspection_as_json(data, seen) for data, seen in found], indent=1, default=str))
        return
    for data, seen in found:
        print_inspection(prompts_console(), data, seen)


@app.command("near-duplicates")
def near_duplicates_command(
    train: Annotated[
        str, typer.Argument(metavar="TRAIN", help="Parquet file, folder or org/name of what is trained on.")
    ],
    heldout: Annotated[str, typer.Option("--heldout", metavar="PLACE", help="The problems kept for scoring.")],
    file: _FileOption = None,
    revision: _RevisionOption = None,
    threshold: Annotated[
        float,
        typer.Option("--threshold", min=0.05, max=1.0, help="Least similarity; 1 is the same letters and digits."),
    ] = 0.8,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.csv", help="Write every pair, with whole texts.")
    ] = None,
) -> None:
    """List the held-out problems that training prompts state in nearly the same words."""
    from orchestrator.screens.data_page import pairs_as_json, print_pairs, prompts_console, write_pairs
    from workers.prompts.duplicates import near_duplicates
    from workers.prompts.heldout import heldout_set, training_files
    from workers.prompts.rows import read_prompts

    data = _data(train, file=file, revision=revision, heldout=heldout)
    problems = heldout_set(data)
    pairs = near_duplicates(read_prompts(training_files(data), split="train"), problems, threshold=threshold)
    if output is not None:
        write_pairs(output, pairs)
    if as_json:
        typer.echo(json.dumps(pairs_as_json(pairs, problems=len(problems), threshold=threshold), indent=1))
        return
    print_pairs(prompts_console(), pairs, problems=len(problems), threshold=threshold)
    if output is not None:
        typer.echo(f"Every pair with whole texts: {output}")


def _is_sweep(place: str) -> bool:
    return Path(place).suffix in (".yaml", ".yml")


def _of_sweep(file: Path) -> Iterator[tuple[Data, int | None, tuple[int, ...]]]:
    """Each data section of a sweep's trials but for its tau, with the last budget in prompts and the values of tau."""
    from db.errors import SpecError
    from orchestrator.sweepfile.loading import load_sweep

    taus: dict[tuple[Data, int | None], set[int]] = {}
    for trial in load_sweep(file).trials:
        data, budget = trial.spec.data, trial.spec.budget
        if data.train is None:
            raise SpecError(
                f"{file}: the data is the task {data.task}, which is made here; there is no file to look at"
            )
        last = int(budget.last) if budget.unit == "samples" and data.total_prompts == "budget" else None
        taus.setdefault((data.model_copy(update={"tau": 1}), last), set()).add(data.tau)
    for (data, last), values in taus.items():
        yield data, last, tuple(sorted(values))


def _data(
    place: str, *, file: str | None, revision: str | None, heldout: str | None, total_prompts: int | None = None
) -> Data:
    from workers.spec import Data

    return Data(
        train=_as_path(place),
        file=file,
        revision=revision,
        heldout=None if heldout is None else _as_path(heldout),
        total_prompts=total_prompts,
    )


def _as_path(place: str) -> str:
    """On the command line a parquet file needs no `./`: no name on the hub ends like one."""
    from workers.spec.places import is_path

    return f"./{place}" if place.endswith(".parquet") and not is_path(place) else place
