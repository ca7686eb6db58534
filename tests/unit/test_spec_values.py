"""Which numbers and texts a specification may hold, and which of its values do not go together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from annotated_types import Lt
from pydantic import BaseModel, ValidationError

from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.problems import InvalidSweep
from tests.unit.test_presets import STUDY
from tests.unit.test_sweep_properties import SEPARATE, load
from workers import spec as spec_models
from workers.spec import Data, Evaluation, IdentifiedData, Lora, Model, TrialSpec

PARTS = [each for each in vars(spec_models).values() if isinstance(each, type) and issubclass(each, BaseModel)]


def whole_numbers(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The limits of every whole number that an annotation allows."""
    if annotation is int:
        yield metadata
    elif isinstance(metadata_of := getattr(annotation, "__metadata__", None), tuple):
        yield from whole_numbers(annotation.__origin__, metadata_of)
    else:
        for inner in get_args(annotation):
            yield from whole_numbers(inner, ())


@pytest.mark.parametrize("part", [*PARTS, SweepFile], ids=lambda part: part.__name__)
def test_no_whole_number_is_without_end(part: type[BaseModel]) -> None:
    for name, field in part.model_fields.items():
        for limits in whole_numbers(field.annotation, tuple(field.metadata)):
            assert any("lt=" in repr(limit) or isinstance(limit, Lt) for limit in limits), name


def test_a_number_of_four_hundred_digits_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than 2147483648"):
        Lora(rank=10**400)


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
@pytest.mark.parametrize("part", [lambda text: Data(train=text), lambda text: Model(name=text, source="org/name"),
                                  lambda text: Data(train="org/name", sources=(text,))])  # fmt: skip
def test_what_cannot_be_stored_is_no_text(part: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=r"holds the character U\+[0-9A-F]{4}, which text may not have"):
        part(text)


def test_data_that_is_identified_says_by_what() -> None:
    with pytest.raises(ValidationError, match="has `train_sha256` or `heldout_sha256`"):
        IdentifiedData(train="/x.parquet")


@pytest.mark.parametrize("idle", [{"temperature": 0.7}, {"top_p": 0.5}, {"max_completion_tokens": 8}])
def test_how_completions_are_drawn_means_nothing_where_none_are(idle: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="means nothing beside `method: answer_probability`"):
        Evaluation(**idle)
    assert Evaluation(method="sampled", samples=2, **idle)


def only(folder: Path, *overrides: str) -> TrialSpec:
    (trial,) = load(folder, yaml.safe_load(STUDY), *overrides).trials
    return trial.spec


@pytest.mark.parametrize(
    ("fitting", "beyond", "reason"),
    [
        (["budgets.at=[51200]"], ["data.total_prompts=51300", "budgets.at=[51300]"], "after 51712 prompts"),
        (["tau=100"], ["tau=200"], "the same prompt would come twice"),
        (["loss.overlong_penalty_tokens=4096"], ["loss.overlong_penalty_tokens=4097"], "all of a completion"),
        (["algorithm=bnpo", "resources.micro_batch=4"], ["algorithm=bnpo"], "depends on `resources.micro_batch`"),
        (
            ["data.total_prompts=budget", "budgets.at=[5120]"],
            ["data.total_prompts=budget", "budgets.at=[5000]"],
            "ends with the step that reaches it, after 5120 prompts",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused(
    tmp_path: Path, fitting: list[str], beyond: list[str], reason: str
) -> None:
    assert only(tmp_path, *fitting)
    with pytest.raises(InvalidSweep, match=reason):
        only(tmp_path, *beyond)


def test_budgets_that_would_be_one_trial_are_refused(tmp_path: Path) -> None:
    linear, apart = "optimizer.schedule=linear", SEPARATE
    assert len(load(tmp_path, yaml.safe_load(STUDY), linear, apart).trials) == 2
    with pytest.raises(InvalidSweep, match="budgets of 5100 and 5120 samples end with the same step"):
        load(tmp_path, yaml.safe_load(STUDY), linear, apart.replace("51200", "5120").replace("[5120", "[5100"))
