"""Which field a column that has none may have been meant for. Only ever said, never acted on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from exchange.importing.fields import ALIASES, FIELDS

_OTHER_NAMES = {
    "params": "num_params", "n_params": "num_params", "model_params": "num_params", "parameters": "num_params",
    "n": "num_params", "size": "num_params", "model_size": "num_params", "model_name": "model", "lr": "learning_rate",
    "acc": "score", "accuracy": "score", "pass@1": "score", "dataset": "data", "algo": "algorithm", "steps": "step",
    "iteration": "step", "iter": "step", "global_step": "step", "run_name": "run", "run_id": "run",
    "num_generations": "group_size", "beta": "kl_coefficient", "train_batch_size": "prompts_per_step",
}  # fmt: skip
_SCORE_LIKE = re.compile(r"score|acc|loss|pass|solve|correct|error", re.IGNORECASE)
_LISTED = 10


def suggested_field(column: str) -> str | None:
    """The field that is nearest to a column's name, if one is near."""
    name = re.sub(r"[\s-]+", "_", column.strip().lower())
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    found = get_close_matches(name, [*FIELDS, *ALIASES], n=1, cutoff=0.75)
    return ALIASES.get(found[0], found[0]) if found else None


def with_suggestion(column: str) -> str:
    """`model_params (num_params?)`; the bare name where no field is near."""
    field = suggested_field(column)
    return f"{column} ({field}?)" if field else column


def unused(columns: Sequence[str]) -> str:
    """A sentence on each column that is not used and looks like a field, then the others' names."""
    hints = {column: suggested_field(column) for column in columns}
    told = [f" `{column}` is not used; --map {column}={field}?" for column, field in hints.items() if field]
    rest = [f"`{column}`" for column, field in hints.items() if not field]
    if rest:
        more = f" and {len(rest) - _LISTED} more" if len(rest) > _LISTED else ""
        told.append(f" Not used{' either' if told else ''}: {', '.join(rest[:_LISTED])}{more}.")
    return "".join(told)


def like_scores(columns: Iterable[str]) -> list[str]:
    """The columns whose names sound like a score or a loss."""
    return [column for column in columns if _SCORE_LIKE.search(column)][:_LISTED]
