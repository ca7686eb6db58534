"""What holds for every sweep file: its trials, their order, and what their identity hears and does not hear."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.sweepfile.algorithms import SETTINGS
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from tests.conftest import TINY_SWEEP
from tests.unit.test_presets import STUDY
from workers import spec as spec_models
from workers.spec import Algorithm, Environment, Evaluation, Lora, TrialSpec

DEFAULTS = Path(__file__).with_name("spec_defaults.json")
SEPARATE = "budgets={unit: samples, at: [5120, 51200], trajectories: separate}"
a_few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# Files and their trials


def load(folder: Path, data: dict[str, Any], *overrides: str) -> LoadedSweep:
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    return load_sweep(file, overrides)


def hashes(loaded: LoadedSweep) -> list[str]:
    return [trial.science_hash for trial in loaded.trials]


AXES: dict[str, st.SearchStrategy[Any]] = {
    "seed": st.integers(0, 2**32 - 1),
    "group_size": st.integers(2, 64),
    "tau": st.sampled_from([1, 2, 5, 20, 25, 50, 100]),
    "optimizer.learning_rate": st.floats(1e-9, 1.0),
    "loss.clip_high": st.floats(0.01, 10.0),
    "algorithm": st.sampled_from(sorted(SETTINGS.keys() - {"bnpo"})),  # which wants a micro-batch
    "model": st.sampled_from(["organisation/a", "organisation/b", "organisation/c"]),
    "environment": st.sampled_from([None, {"tools": ["python"]}]),
}


@st.composite
def grids(draw: st.DrawFn) -> dict[str, list[Any]]:
    names = draw(st.lists(st.sampled_from(sorted(AXES)), unique=True, max_size=3))
    # `algorithm` sets clip ranges, which an axis of them wins over: two algorithms may then be one recipe under two
    # names, never one trial.
    return {name: draw(st.lists(AXES[name], min_size=1, max_size=3, unique_by=repr)) for name in names}


def study(grid: dict[str, list[Any]]) -> dict[str, Any]:
    return yaml.safe_load(STUDY) | {"axes": {"grid": grid}}


def shuffled(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, dict):
        return value
    names = list(value)
    chance.shuffle(names)
    return {name: shuffled(value[name], chance) for name in names}


@a_few
@given(grid=grids())
def test_a_file_always_has_the_same_trials_in_the_same_order(tmp_path: Path, grid: dict[str, list[Any]]) -> None:
    one, other = load(tmp_path, study(grid)), load(tmp_path, study(grid))
    assert [trial.spec for trial in one.trials] == [trial.spec for trial in other.trials]
    assert hashes(one) == hashes(other)
    assert len(set(hashes(one))) == len(one.trials)


@a_few
@given(grid=grids(), chance=st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_trial(tmp_path: Path, grid: dict[str, list[Any]], chance: random.Random) -> None:
    one, other = load(tmp_path, study(grid)), load(tmp_path, shuffled(study(grid), chance))
    assert sorted(hashes(one)) == sorted(hashes(other))
    assert {trial.spec.execution.identity for trial in one.trials} == {t.spec.execution.identity for t in other.trials}


@a_few
@given(grid=grids(), chance=st.randoms(use_true_random=False))
def test_the_order_of_an_axis_values_only_permutes(
    tmp_path: Path, grid: dict[str, list[Any]], chance: random.Random
) -> None:
    mixed = {name: chance.sample(values, len(values)) for name, values in grid.items()}
    one, other = load(tmp_path, study(grid)), load(tmp_path, study(mixed))
    by_axes = {repr(sorted(trial.axes.items(), key=lambda item: item[0])): trial.science_hash for trial in other.trials}
    for trial in one.trials:
        assert by_axes[repr(sorted(trial.axes.items(), key=lambda item: item[0]))] == trial.science_hash


@a_few
@given(grid=grids())
def test_a_trial_of_a_grid_is_the_trial_of_a_file_that_says_its_values_itself(
    tmp_path: Path, grid: dict[str, list[Any]]
) -> None:
    for trial in load(tmp_path, study(grid)).trials[:3]:
        overrides = [f"base.{name}={json.dumps(value)}" for name, value in trial.axes.items()]
        (alone,) = load(tmp_path, yaml.safe_load(STUDY), *overrides).trials
        assert alone.spec == trial.spec
        assert alone.science_hash == trial.science_hash


@a_few
@given(grid=grids())
def test_extends_and_set_give_the_trials_of_the_file_that_says_it_itself(
    tmp_path: Path, grid: dict[str, list[Any]]
) -> None:
    written_out = load(tmp_path, study(grid))
    (tmp_path / "parent.yaml").write_text(STUDY)
    extending = load(tmp_path, {"extends": "parent.yaml", "axes": {"grid": grid}})
    overridden = load(tmp_path, yaml.safe_load(STUDY), f"axes.grid={json.dumps(grid)}")
    assert [t.spec for t in written_out.trials] == [t.spec for t in extending.trials]
    assert [t.spec for t in written_out.trials] == [t.spec for t in overridden.trials]


@pytest.mark.parametrize("preset", ["paper@1", "robust@1"])
def test_a_preset_gives_the_trial_of_the_file_that_says_its_values_itself(tmp_path: Path, preset: str) -> None:
    (by_name,) = load(tmp_path, yaml.safe_load(STUDY), f"preset={preset}").trials
    data = yaml.safe_load(STUDY)
    del data["base"]["preset"]
    spec = by_name.spec
    loss = {name: getattr(spec.algorithm, name) for name in spec_models.Loss.model_fields}
    data["base"] |= {
        "data": spec.data.model_dump(exclude={"task"}, exclude_defaults=True),
        "group_size": spec.algorithm.group_size, "prompts_per_step": spec.algorithm.prompts_per_step,
        "updates_per_step": spec.algorithm.updates_per_step, "loss": loss,
        "optimizer": spec.optimizer.model_dump(), "generation": spec.sampling.model_dump(),
        "health": spec.health.model_dump(),
    }  # fmt: skip
    (written_out,) = load(tmp_path, data).trials
    assert written_out.spec == spec
    assert written_out.science_hash == by_name.science_hash


# Identity, field by field


def full_spec(tmp_path: Path) -> TrialSpec:
    """A trial that has every optional part, so that each field of each can be changed."""
    (trial,) = load(tmp_path, yaml.safe_load(STUDY)).trials
    return trial.spec.model_copy(
        update={"lora": Lora(rank=8), "environment": Environment(tools=("python",))}, deep=True
    )  # fmt: skip


def made_spec(tmp_path: Path) -> TrialSpec:
    (trial,) = load(tmp_path, yaml.safe_load(TINY_SWEEP), "model=[small]", "seed=[1]").trials
    return trial.spec


# What is no science though it stands among science; see the docstring of `identity`.
NOT_SCIENCE = {"model.name", "model.nominal_params", "data.heldout_problems", "data.heldout"}
# What is the same in other words, or belongs to what these trials have switched off; see test_identity_in_other_words.
OF_A_KL = {"algorithm.kl_placement", "algorithm.kl_times_ratio", "algorithm.reference_dtype"}
NOT_HEARD = {
    "full_spec": {"environment.tools", "data.seed", "algorithm.sampler_correction_cap"},
    "made_spec": {"algorithm.sampler_correction_cap", *OF_A_KL},
}


def leaves(value: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in type(value).model_fields.items():
        inner = getattr(value, name)
        if isinstance(inner, BaseModel):
            yield from leaves(inner, (*path, name))
        elif inner is not None or not any(map(_is_model, _members(field.annotation))):
            yield (*path, name), field


def another(value: Any, annotation: Any) -> Any:
    """A value of the same kind that is a different one."""
    options = [option for each in _members(annotation) if get_origin(each) is Literal for option in get_args(each)]
    if options and (value in options or value is None):
        return next((option for option in options if option != value), f"{value}-other")
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.5
    if isinstance(value, tuple):
        return (*value, *value) if value else ("x",)
    kinds = _members(annotation)
    kind = next(each for each in (tuple, bool, int, float, str) if any(each in (m, get_origin(m)) for m in kinds))
    return {bool: True, int: 7, float: 7.5, str: f"{value}-other", tuple: ("math",)}[kind]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _members(annotation: Any) -> list[Any]:
    inner = [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation, *inner]


def replaced(value: BaseModel, path: tuple[str, ...], new: Any) -> Any:
    """A copy that is not checked: identity must hear a field whatever stands beside it."""
    inner = replaced(getattr(value, path[0]), path[1:], new) if path[1:] else new
    return value.model_copy(update={path[0]: inner})


def changes(spec: TrialSpec) -> dict[str, TrialSpec]:
    """For every leaf of a specification, by its dotted name, the same one with another value there."""
    found = {}
    for path, field in leaves(spec):
        value: Any = spec
        for part in path:
            value = getattr(value, part)
        if path != ("evaluations",):
            found[".".join(path)] = replaced(spec, path, another(value, field.annotation))
    for name, field in Evaluation.model_fields.items():
        first = spec.evaluations[0]
        changed = first.model_copy(update={name: another(getattr(first, name), field.annotation)})
        found[f"evaluations.{name}"] = spec.model_copy(update={"evaluations": (changed,)})
    return found


def is_science(name: str, of: str) -> bool:
    left_out = NOT_SCIENCE | NOT_HEARD[of]
    return name.partition(".")[0] not in ("budget", "evaluations", "execution", "health") and name not in left_out


@pytest.mark.parametrize("make", [full_spec, made_spec])
def test_every_science_field_changes_the_identity_and_no_other_does(tmp_path: Path, make: Any) -> None:
    spec = make(tmp_path)
    found = changes(spec)
    assert len(found) > 60
    heard = {name for name, changed in found.items() if science_hash(changed) != science_hash(spec)}
    assert heard == {name for name in found if is_science(name, of=make.__name__)}


@pytest.mark.parametrize("make", [full_spec, made_spec])
def test_every_field_of_execution_changes_its_hash_and_no_other_does(tmp_path: Path, make: Any) -> None:
    spec = make(tmp_path)
    heard = {name for name, changed in changes(spec).items() if changed.execution.identity != spec.execution.identity}
    assert heard == {f"execution.{name}" for name in type(spec.execution).model_fields}


def test_no_two_changes_of_a_trial_are_the_same_trial(tmp_path: Path) -> None:
    made = changes(full_spec(tmp_path))
    different = [science_hash(changed) for name, changed in made.items() if is_science(name, of="full_spec")]
    assert len(set(different)) == len(different)


def test_an_optional_part_is_science(tmp_path: Path) -> None:
    spec = full_spec(tmp_path)
    without = [spec.model_copy(update={part: None}) for part in ("lora", "environment")]
    assert len({science_hash(each) for each in (spec, *without)}) == 3


def test_held_out_problems_are_science_where_prompts_near_them_are_dropped(tmp_path: Path) -> None:
    spec = replaced(full_spec(tmp_path), ("data", "drop_near_duplicates"), True)
    assert science_hash(replaced(spec, ("data", "heldout"), "organisation/others")) != science_hash(spec)


def test_weights_are_the_model_wherever_they_lie(tmp_path: Path) -> None:
    spec = replaced(full_spec(tmp_path), ("model", "weights_sha256"), "ab" * 32)
    for field in ("source", "revision"):
        assert science_hash(replaced(spec, ("model", field), "elsewhere")) == science_hash(spec)
    assert science_hash(replaced(spec, ("model", "weights_sha256"), "cd" * 32)) != science_hash(spec)


@pytest.mark.parametrize("field", ["unit", "at"])
def test_the_last_budget_is_science_where_the_way_depends_on_it(tmp_path: Path, field: str) -> None:
    spec = replaced(full_spec(tmp_path), ("optimizer", "schedule"), "linear")
    new = {"unit": "flops", "at": (5120.0,)}[field]
    assert science_hash(replaced(spec, ("budget", field), new)) != science_hash(spec)
    earlier = replaced(spec, ("budget", "at"), (512.0, *spec.budget.at))
    assert science_hash(earlier) == science_hash(spec)


def test_the_micro_batch_is_science_where_the_loss_is_its_mean(tmp_path: Path) -> None:
    spec = replaced(full_spec(tmp_path), ("algorithm", "aggregation"), "micro_batch_token_mean")
    assert science_hash(replaced(spec, ("execution", "micro_batch"), 4)) != science_hash(spec)


# Pinned


# A hash that changes orphans every trial of that kind in every database: they would all be run again. A change of
# the canonical form wants a new identity version and a migration; a new field wants a default that means "as before".
@pytest.mark.parametrize(
    ("text", "overrides", "golden"),
    [
        (
            TINY_SWEEP,
            ["model=[small]", "seed=[1]"],
            ["v1:f27dee6e3764b9549d9eabdf2e8f9aacfabe35e82cee2d9b4edbd8a063252ce4"],
        ),
        (STUDY, [], ["v1:aeb8ba37e98b126eec6faf28043c76dc43efc5278e8bbded3516ce72c744cd1a"]),
        (STUDY, ["preset=robust@1"], ["v1:42f00c2988c2b4679afe2f3a679257f9cd2552f343df92fcfa3b22e1b21936c2"]),
        (
            STUDY,
            ["algorithm=dapo", "lora={rank: 16}"],
            ["v1:bc0115e393e51463515275b09a55f2f1d3d9afbf22c9a04c3c0b64c5e88afc8c"],
        ),
        (STUDY, ["tau=5"], ["v1:84eefaa86fb71ca43b1b4af47e60d4b2992a32f2c0ac8357011ec4dfb9f066da"]),
        (
            STUDY,
            ["environment={tools: [python]}", "data.drop_near_duplicates=true", "data.heldout=someone/heldout"],
            ["v1:cb2902ac32ebff2858dbeb81775c13516edb51dfd42df07de45265a07eb69017"],
        ),
        (
            STUDY,
            ["optimizer.schedule=linear", SEPARATE],
            [
                "v1:53fbe0062a668dcbf3b1893f3d64777ee7a1ca924b744a9f1af34685ca6f5604",
                "v1:a1f880d192a6883d7339147ba8df99c7813ca954b02453976577a415769f031e",
            ],
        ),
    ],
    ids=["tiny", "paper", "robust", "dapo-lora", "tau", "tools", "separate"],
)
def test_identities_are_what_they_were(tmp_path: Path, text: str, overrides: list[str], golden: list[str]) -> None:
    data = yaml.safe_load(text)
    if "preset" in data["base"]:
        data["base"]["preset"] = "paper@1"
    assert hashes(load(tmp_path, data, *overrides)) == golden


def test_execution_hashes_are_what_they_were(tmp_path: Path) -> None:
    (trial,) = load(tmp_path, yaml.safe_load(STUDY), "resources={gpus: 8, micro_batch: 4}").trials
    assert trial.spec.execution.identity == "v1:f07762a318e119c62134629fc205b22811cea5a31c1871a92c609324c76cf3bc"


def all_defaults() -> dict[str, dict[str, Any]]:
    models = sorted(
        (each for each in vars(spec_models).values() if isinstance(each, type) and issubclass(each, BaseModel)),
        key=lambda model: model.__name__,
    )
    return {
        model.__name__: {
            name: field.default.model_dump(mode="json") if isinstance(field.default, BaseModel) else field.default
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        for model in models
    }


def test_defaults_are_what_they_were() -> None:
    """A field that came after the first release is left out of the canonical form where it has its default.

    So a default never changes: all trials that left it out would be taken for trials of the new one. A new field is
    added to the file by hand.
    """
    assert json.loads(json.dumps(all_defaults())) == json.loads(DEFAULTS.read_text())


def test_late_fields_at_their_defaults_are_not_written(tmp_path: Path) -> None:
    spec = full_spec(tmp_path)
    assert isinstance(spec.algorithm, Algorithm)
    bare = spec.algorithm.model_dump(exclude_defaults=True) | {"name": spec.algorithm.name}
    assert science_hash(spec.model_copy(update={"algorithm": Algorithm.model_validate(bare)})) == science_hash(spec)
