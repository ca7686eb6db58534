"""What a trial is trained on: a task made here, or prompts that somebody has published; and with which tools."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from workers.spec.values import PositiveInt, Seed, Strict, Text

_ONLY_OF_TASKS = frozenset({"seed", "heldout_problems"})
OF_TASKS = _ONLY_OF_TASKS | {"task"}
_NAME = r"[A-Za-z_]\w*"
_CLASS_NAME = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}", re.ASCII)


def _refuse_what_names_no_class(name: str) -> str:
    if not _CLASS_NAME.fullmatch(name):
        raise ValueError(f"{name!r} names no class; write `package.module:Class`")
    return name


ClassName = Annotated[str, AfterValidator(_refuse_what_names_no_class)]


class Data(Strict):
    """The problems: a `task` made here with its training stream and held-out set, or `train`, a file of prompts.

    Of a task, `seed` draws the rules, the split and the order of its prompts; it is part of the data, so trials that
    differ only in their own seed see the same prompts in the same order.

    `train` is a data set on the hub or a path, `file` one of the data set's files, `heldout` where the problems are
    that are kept for scoring, in the same words. The pool is the first `total_prompts` rows in the order of the
    file, a curriculum; `tau` is how often each prompt of a trial is used, so it trains on total_prompts / tau of
    them. With `total_prompts: budget` the pool is as large as the last budget. Prompts of more than
    `max_prompt_tokens` are dropped, and with `drop_near_duplicates` those that are nearly a held-out problem.
    `sources` keeps the rows whose `data_source` starts with one of these words. `rewards` says whether answers are
    judged as arXiv 2509.25300 judged them, or with its mistakes mended.
    """

    task: Literal["affine-lookup"] | None = None
    seed: Seed = 0
    heldout_problems: PositiveInt = 600
    train: Text | None = None
    file: Text | None = None
    revision: Text | None = None
    heldout: Text | None = None
    sources: Annotated[tuple[Text, ...], Field(min_length=1, strict=False)] | None = None
    total_prompts: PositiveInt | Literal["budget"] | None = None
    tau: PositiveInt = 1
    max_prompt_tokens: PositiveInt = 2048
    drop_near_duplicates: bool = False
    rewards: Literal["paper", "fixed"] = "fixed"

    @property
    def name(self) -> str:
        """What people call it: the task, or where the prompts come from."""
        return self.task or f"{self.train}{f'/{self.file}' if self.file else ''}"

    @model_validator(mode="after")
    def _one_origin(self) -> Data:
        if (self.task is None) == (self.train is None):
            raise ValueError("data needs exactly one of `task`, which is made here, and `train`, a file of prompts")
        given = self.model_fields_set
        idle = given - OF_TASKS if self.task else given & _ONLY_OF_TASKS
        strangers = [name for name in idle if getattr(self, name) != type(self).model_fields[name].default]
        if strangers:
            raise ValueError(f"`{min(strangers)}` means nothing beside `{'task' if self.task else 'train'}`")
        return self

    @model_validator(mode="after")
    def _near_duplicates_are_of_something(self) -> Data:
        if self.drop_near_duplicates and self.heldout is None:
            raise ValueError("`drop_near_duplicates` needs `heldout`, the problems that prompts must not be near to")
        return self

    @model_validator(mode="after")
    def _tau_divides(self) -> Data:
        if self.tau > 1 and self.total_prompts is None:
            raise ValueError(f"tau {self.tau} needs `total_prompts`, the uses of all prompts together")
        if isinstance(self.total_prompts, int) and self.total_prompts % self.tau:
            raise ValueError(f"total_prompts {self.total_prompts} is not a multiple of tau {self.tau}")
        return self


class IdentifiedData(Data):
    """Prompts that are on this machine, and what is in their files: `train_sha256`, and `heldout_sha256` where that
    decides what is trained on.
    """

    train_sha256: str | None = None
    heldout_sha256: str | None = None

    @model_validator(mode="after")
    def _is_identified(self) -> IdentifiedData:
        if self.train_sha256 is None and self.heldout_sha256 is None:
            raise ValueError("data that is identified has `train_sha256` or `heldout_sha256`")
        return self


class Environment(Strict):
    """What a policy may call while it answers, and how often it may go on after a call.

    `tools` are those that are here: `python` runs a program in the sandbox, `calculator` reckons exactly. `factory` is
    an environment class of the user's, `package.module:Class`, whose public methods are tools as well.

    A turn is one round of calls with what the policy says next, so a completion has at most `max_turns` + 1 turns of
    the policy's. Results of tools count within `max_completion_tokens`.
    """

    tools: Annotated[tuple[Literal["python", "calculator"], ...], Field(min_length=1, strict=False)] = ()
    factory: ClassName | None = None
    max_turns: PositiveInt = 4

    @model_validator(mode="after")
    def _offers_something(self) -> Environment:
        if not self.tools and self.factory is None:
            raise ValueError("an environment needs `tools`, `factory` or both")
        return self
