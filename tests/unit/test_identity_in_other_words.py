"""What says the same in other words is the same trial, and settings of what is switched off are no part of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator.sweepfile import identity
from orchestrator.sweepfile.identity import science_hash
from tests.conftest import TINY_SWEEP
from tests.unit.test_presets import STUDY
from tests.unit.test_sweep_properties import full_spec, load, made_spec, replaced
from workers.spec import Environment, Lora, MadeModel, WarmUp

NO_KL = "loss.kl_coefficient=0.0"


class LaterMadeModel(MadeModel):
    came_later: int = 3


class LaterWarmUp(WarmUp):
    came_later: int = 3


class LaterLora(Lora):
    came_later: int = 3


class LaterEnvironment(Environment):
    came_later: int = 3


def study_hash(folder: Path, *overrides: str) -> str:
    (trial,) = load(folder, yaml.safe_load(STUDY), *overrides).trials
    return trial.science_hash


@pytest.mark.parametrize(
    ("section", "later"), [("lora", LaterLora), ("environment", LaterEnvironment), ("model.made", LaterMadeModel),
                           ("model.made.warm_up", LaterWarmUp)],
)  # fmt: skip
def test_a_field_that_comes_later_leaves_old_trials_what_they_were(tmp_path: Path, section: str, later: type) -> None:
    spec = made_spec(tmp_path) if section.startswith("model") else full_spec(tmp_path)
    part: object = spec
    for name in section.split("."):
        part = getattr(part, name)
    path = tuple(section.split("."))
    assert science_hash(replaced(spec, path, later(**vars(part)))) == science_hash(spec)
    assert science_hash(replaced(spec, path, later(**vars(part), came_later=4))) != science_hash(spec)


def test_every_part_of_a_trial_says_which_fields_are_of_the_first_release(tmp_path: Path) -> None:
    known = identity._ALWAYS_WRITTEN
    for spec in (full_spec(tmp_path), made_spec(tmp_path)):
        for section in identity._SECTIONS:
            part = getattr(spec, section)
            assert part is None or type(part) in known


@pytest.mark.parametrize(
    "idle",
    ["loss.kl_placement=reward", "loss.kl_times_ratio=true", "loss.reference_dtype=float32"],
)
def test_how_a_kl_is_reckoned_is_nothing_where_there_is_none(tmp_path: Path, idle: str) -> None:
    assert study_hash(tmp_path, NO_KL, idle) == study_hash(tmp_path, NO_KL)
    assert study_hash(tmp_path, idle) != study_hash(tmp_path)


def test_the_cap_of_a_correction_is_nothing_where_there_is_none(tmp_path: Path) -> None:
    cap, correction = "loss.sampler_correction_cap=5.0", "loss.sampler_correction=token_mask"
    assert study_hash(tmp_path, cap) == study_hash(tmp_path)
    assert study_hash(tmp_path, correction, cap) != study_hash(tmp_path, correction)


def test_the_seed_of_a_task_is_nothing_to_prompts_of_a_file(tmp_path: Path) -> None:
    spec = full_spec(tmp_path)
    assert science_hash(replaced(spec, ("data", "seed"), 7)) == science_hash(spec)
    made = made_spec(tmp_path)
    assert science_hash(replaced(made, ("data", "seed"), 7)) != science_hash(made)


def with_horizon(folder: Path, unit: str, at: float) -> str:
    data = yaml.safe_load(TINY_SWEEP) | {"budgets": {"unit": unit, "at": [at]}}
    overrides = ["model=[small]", "seed=[1]", "optimizer.schedule=linear", "prompts_per_step=8"]
    (trial,) = load(folder, data, *overrides).trials
    return trial.science_hash


def test_a_horizon_is_its_whole_steps_whatever_its_unit(tmp_path: Path) -> None:
    eight = with_horizon(tmp_path, "steps", 8)
    assert {with_horizon(tmp_path, "samples", at) for at in (57, 63.5, 64)} == {eight}
    assert len({eight, with_horizon(tmp_path, "samples", 56), with_horizon(tmp_path, "flops", 64)}) == 3


def test_which_sources_are_kept_has_no_order(tmp_path: Path) -> None:
    one = study_hash(tmp_path, "data.sources=[math, code]")
    assert study_hash(tmp_path, "data.sources=[code, math, code]") == one
    assert study_hash(tmp_path, "data.sources=[code]") != one


def test_a_tool_that_is_named_twice_is_one_tool(tmp_path: Path) -> None:
    twice = study_hash(tmp_path, "environment={tools: [python, python]}")
    assert twice == study_hash(tmp_path, "environment={tools: [python]}")


def test_the_main_revision_of_a_model_is_the_one_that_nobody_names(tmp_path: Path) -> None:
    named = "models={m: {source: Qwen/Qwen2.5-7B, revision: %s}}"
    assert study_hash(tmp_path, named % "main", "model=m") == study_hash(tmp_path)
    assert study_hash(tmp_path, named % "v2", "model=m") != study_hash(tmp_path)


def test_the_micro_batch_of_a_mean_over_it_is_part_of_the_trial(tmp_path: Path) -> None:
    four, eight = (study_hash(tmp_path, "algorithm=bnpo", f"resources.micro_batch={size}") for size in (4, 8))
    assert four == "v1:1219f558a1b498234d5ae3539e0059b3c9f7fa49ad1e0e175d40d39d624e3adf"
    assert four != eight
