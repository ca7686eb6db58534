"""The fields that a column of a file can be: their level, what their values may be, and where they go.

`samples`, `tokens`, `flops`, `paper_flops` and `seconds` count the whole trajectory up to and including the step;
`step_samples`, `step_seconds` and `step_learning_rate` are of the step alone. Scores are shares of one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from db.records import StepRecord

Level = Literal["run", "step", "evaluation"]
Kind = Literal["text", "count", "number", "share"]


@dataclass(frozen=True)
class Field:
    """`column` is the name in the record. `minimum` is inclusive; `longest` is in characters, for text."""

    name: str
    level: Level
    kind: Kind
    column: str
    quantity: str = "number"
    minimum: float | None = 0.0
    longest: int = 0


def _text(name: str, level: Level, longest: int) -> Field:
    return Field(name, level, "text", name, longest=longest)


def _count(name: str, level: Level, *, minimum: float = 0.0, quantity: str = "amount", column: str = "") -> Field:
    return Field(name, level, "count", column or name, quantity, minimum)


def _number(
    name: str, level: Level, *, quantity: str = "number", column: str = "", minimum: float | None = 0.0
) -> Field:
    return Field(name, level, "number", column or name, quantity, minimum)


def _share(name: str, level: Level) -> Field:
    return Field(name, level, "share", name, "share")


# Files are read as double-precision numbers, which hold every whole number up to here and not beyond.
COUNTS_BELOW = 2.0**53

CUMULATIVE = ("samples", "tokens", "flops", "paper_flops", "seconds")
# What tells runs apart where no column names them.
IDENTIFYING = (
    "model", "variant", "num_params", "seed", "tau", "group_size", "learning_rate", "data", "algorithm",
)  # fmt: skip

_ALL = (
    _text("run", "run", 200),
    _text("model", "run", 200),
    _text("family", "run", 80),
    _text("variant", "run", 80),
    _text("data", "run", 200),
    _text("algorithm", "run", 40),
    _count("num_params", "run", minimum=1),
    _count("total_params", "run", minimum=1),
    _number("nominal_params", "run", quantity="amount", minimum=1),
    _count("seed", "run"),
    _number("tau", "run", minimum=1e-6),
    _count("group_size", "run", minimum=1),
    _count("prompts_per_step", "run", minimum=1),
    _count("updates_per_step", "run", minimum=1),
    _number("kl_coefficient", "run"),
    _number("learning_rate", "run"),
    _count("step", "step", quantity="step"),
    _count("samples", "step", column="cumulative_samples"),
    _count("tokens", "step", column="cumulative_tokens"),
    _number("flops", "step", quantity="flops", column="cumulative_flops"),
    _number("paper_flops", "step", quantity="flops", column="cumulative_paper_flops"),
    _number("seconds", "step", quantity="seconds", column="cumulative_seconds"),
    _count("step_samples", "step", column="samples"),
    _count("prompt_tokens", "step"),
    _count("completion_tokens", "step"),
    _number("generation_flops", "step", quantity="flops"),
    _number("old_logprob_flops", "step", quantity="flops"),
    _number("reference_flops", "step", quantity="flops"),
    _number("train_flops", "step", quantity="flops"),
    _number("step_seconds", "step", quantity="seconds"),
    _number("generation_seconds", "step", quantity="seconds"),
    _number("logprob_seconds", "step", quantity="seconds"),
    _number("reward_seconds", "step", quantity="seconds"),
    _number("update_seconds", "step", quantity="seconds"),
    _number("loss", "step", minimum=None),
    _number("reward", "step", minimum=None),
    _number("reward_std", "step"),
    _share("zero_variance_share", "step"),
    # Sampled estimates of a divergence can be below zero.
    _number("kl", "step", minimum=None),
    _number("entropy", "step"),
    _share("clipped_share", "step"),
    _number("gradient_norm", "step"),
    _number("step_learning_rate", "step", column="learning_rate"),
    _number("mean_completion_tokens", "step"),
    _number("max_completion_tokens", "step"),
    _share("truncated_share", "step"),
    _number("sampling_logprob_difference", "step"),
    _text("benchmark", "evaluation", 80),
    _text("protocol", "evaluation", 80),
    _share("score", "evaluation"),
    _share("test_loss", "evaluation"),
    _count("problems", "evaluation", minimum=1),
    _count("samples_per_problem", "evaluation", minimum=1),
    _count("successes", "evaluation"),
    Field("standard_error", "evaluation", "number", "standard_error", "share"),
    _number("evaluation_flops", "evaluation", quantity="flops"),
    _number("evaluation_seconds", "evaluation", quantity="seconds", column="seconds"),
)
FIELDS: dict[str, Field] = {field.name: field for field in _ALL}

# Names that our own views and tables give to the same things.
ALIASES = {
    "cumulative_samples": "samples",
    "cumulative_tokens": "tokens",
    "cumulative_flops": "flops",
    "cumulative_paper_flops": "paper_flops",
    "cumulative_seconds": "seconds",
    "train_seconds": "seconds",
}

STEP_COLUMNS = {name: field.column for name, field in FIELDS.items() if field.level == "step" and name != "step"}
assert set(STEP_COLUMNS.values()) <= {field.name for field in fields(StepRecord)}
