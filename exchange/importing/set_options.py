"""Whether what `--set` says of scores and of models reaches any: what applies to nothing is refused, not shown."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.importing.evaluations import measured_columns, passed_over, unused_constants
from exchange.importing.field_values import FieldTable
from exchange.importing.mapping import Request
from exchange.importing.problems import ImportProblem, nearest
from exchange.importing.suggestions import like_scores

_LISTED = 5


def check_options_used(files: Sequence[FieldTable], request: Request) -> list[ImportProblem]:
    """What was set for scores must be taken by a score of one of the files."""
    unused = set.intersection(*(unused_constants(fields) for fields in files)) if files else set()
    options = [f"--set {key}" for key in request.constants if key in unused]
    if not options:
        return []
    scores = {key: column for fields in files for key, column in measured_columns(fields).items()}
    if not scores:
        return [ImportProblem(", ".join(options), _no_scores(files))]
    told = ", ".join(f"{column} ({key})" for key, column in list(scores.items())[:_LISTED])
    more = f" and {len(scores) - _LISTED} more" if len(scores) > _LISTED else ""
    message = (
        f"applies to none of the scores, which have their own: {told}{more}. Leave it out, or say what a column is: "
        "--map COLUMN=score@BENCHMARK"
    )
    return [ImportProblem(option, message) for option in options]


def check_models_set(files: Sequence[FieldTable], request: Request) -> list[ImportProblem]:
    """A model that something was set for must be in one of the files."""
    models = {str(model) for fields in files if "model" in fields.frame for model in fields.frame["model"].unique()}
    return [
        ImportProblem(f"--set {field}.{model}", f"no run is of model {model!r}.{nearest(model, sorted(models))}")
        for model, values in request.of_models.items()
        for field in values
        if model not in models
    ]


def notes_on_options(fields: FieldTable) -> list[str]:
    """What was set for all scores and does not apply to some."""
    unused = unused_constants(fields)
    notes = []
    for key in ("benchmark", "protocol", "problems", "samples_per_problem"):
        columns = passed_over(fields, key) if key in fields.request.constants and key not in unused else []
        if columns:
            notes.append(f"--set {key} does not apply to {', '.join(columns)}: said for each of them already")
    return notes


def _no_scores(files: Sequence[FieldTable]) -> str:
    columns = list(dict.fromkeys(str(name) for fields in files for name in fields.table.frame))
    likely = like_scores(columns)
    found = f" Likely: {', '.join(likely)}." if likely else f" Columns: {', '.join(columns[:20])}."
    return f"no column is a score or a test loss. Map one: --map COLUMN=score or --map COLUMN=test_loss.{found}"
