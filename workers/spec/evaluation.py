"""What a trial is scored on, when and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workers.spec.values import PositiveFloat, PositiveInt, Strict

_OF_SAMPLING = ("temperature", "top_p", "max_completion_tokens")

Benchmark = Literal["heldout", "gsm8k", "math500", "aime2024", "amc2023", "humaneval", "zebra", "supergpqa"]


class Evaluation(Strict):
    """One benchmark, and when and how it is scored.

    `answer_probability` is the probability that the policy writes exactly the reference answer, by teacher
    forcing: pass@1 without sampling noise, for tasks whose answer has one spelling. `sampled` draws `samples`
    completions a problem and verifies them. Every schedule includes the state before the first step and the last.
    A `protocol` fixes prompts and scorers: that of arXiv 2509.25300 with its mistakes, or with them mended.
    """

    benchmark: Benchmark = "heldout"
    protocol: Literal["paper", "fixed"] = "fixed"
    method: Literal["answer_probability", "sampled"] = "answer_probability"
    samples: PositiveInt | None = None
    temperature: PositiveFloat = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_completion_tokens: PositiveInt | None = None
    at: Literal["every_step", "log_spaced", "budgets"] = "log_spaced"
    points_per_decade: PositiveInt = 10

    @model_validator(mode="after")
    def _samples_belong_to_sampling(self) -> Evaluation:
        if (self.method == "sampled") != (self.samples is not None):
            raise ValueError("`samples` is required with method `sampled` and meaningless without it")
        return self

    @model_validator(mode="after")
    def _what_is_not_drawn_has_no_temperature(self) -> Evaluation:
        for name in _OF_SAMPLING if self.method != "sampled" else ():
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"`{name}` means nothing beside `method: {self.method}`")
        return self
