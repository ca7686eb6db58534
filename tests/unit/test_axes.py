"""Which combinations of values a sweep has: crossed, paired, under conditions, left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.sweepfile.axis_problems import unsound_axes
from orchestrator.sweepfile.conditions import Conditions
from orchestrator.sweepfile.effective import EffectiveValues, matches
from orchestrator.sweepfile.grid import combine
from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep
from orchestrator.sweepfile.yaml_source import parse_yaml


def expanded(axes: str, base: str = "{}") -> list[dict[str, Any]]:
    """Axis values of every combination; fails the test if the axes have a problem."""
    source = parse_yaml(f"axes: {axes}\nbase: {base}", "s.yaml")
    effective = EffectiveValues(source.data["base"], source)
    axes_read = Axes.model_validate(source.data["axes"])
    conditions = Conditions(axes_read, source)
    made = combine(axes_read, effective, source, conditions=conditions)
    assert [*made.problems, *conditions.judged.problems] == []
    return [{name: choice.value for name, choice in each.items()} for each in made.combinations]


def refused(axes: str) -> list[str]:
    source = parse_yaml(f"axes: {axes}\nbase: {{}}", "s.yaml")
    checked = Axes.model_validate(source.data["axes"])
    problems = unsound_axes(checked, source)
    if not problems:
        conditions = Conditions(checked, source)
        made = combine(checked, EffectiveValues({}, source), source, conditions=conditions)
        problems = [*made.problems, *conditions.judged.problems]
    return [str(problem) for problem in problems]


def test_no_axes_make_one_trial() -> None:
    assert expanded("{}") == [{}]


def test_grid_axes_are_crossed_the_first_outermost() -> None:
    assert expanded("{grid: {a: [1, 2], b: [x, y]}}") == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


def test_zipped_axes_change_together_and_are_crossed_with_the_others() -> None:
    axes = "{grid: {seed: [0, 1]}, zip: [{group_size: [8, 16], prompts_per_step: [512, 256]}]}"
    assert expanded(axes) == [
        {"seed": seed, "group_size": group, "prompts_per_step": prompts}
        for seed in (0, 1)
        for group, prompts in ((8, 512), (16, 256))
    ]


def test_a_rule_replaces_the_values_of_an_axis_where_it_holds() -> None:
    axes = "{grid: {tau: [1, 100], seed: [0, 1, 2]}, when: [{if: {tau: 100}, set: {seed: [0]}}]}"
    assert [tuple(each.values()) for each in expanded(axes)] == [(1, 0), (1, 1), (1, 2), (100, 0)]


def test_a_rule_may_give_several_values_and_values_of_names_that_are_no_axes() -> None:
    axes = "{grid: {tau: [1, 5]}, when: [{if: {tau: [5]}, set: {seed: [3, 4], group_size: 16}}]}"
    assert expanded(axes) == [
        {"tau": 1}, {"tau": 5, "seed": 3, "group_size": 16}, {"tau": 5, "seed": 4, "group_size": 16},
    ]  # fmt: skip


def test_a_condition_may_look_at_the_base() -> None:
    rule = "when: [{if: {optimizer.learning_rate: 0.1}, set: {seed: 7}}]"
    assert expanded(f"{{grid: {{a: [1]}}, {rule}}}", base="{optimizer: {learning_rate: 0.1}}") == [{"a": 1, "seed": 7}]


@pytest.mark.parametrize(
    ("rule", "count"), [("{if: {tau: 100}, set: {seed: [0]}}", 2), ("{if: {tau: 7}, set: {seed: [0]}}", 0)]
)
def test_combinations_that_a_rule_makes_equal_are_counted(rule: str, count: int) -> None:
    source = parse_yaml(f"axes: {{grid: {{tau: [1, 100], seed: [0, 1, 2]}}, when: [{rule}]}}", "s.yaml")
    made = combine(Axes.model_validate(source.data["axes"]), EffectiveValues({}, source), source)
    assert (len(made.combinations), made.num_made_equal) == (6 - count, count)


def test_validate_says_how_many_trials_rules_have_left_out(tiny_sweep: Path) -> None:
    rule = "  when: [{if: {model: large}, set: {seed: [1]}}]\n"
    tiny_sweep.write_text(tiny_sweep.read_text().replace("budgets:", f"{rule}budgets:"))
    done = CliRunner().invoke(app, ["validate", str(tiny_sweep)])
    assert "3 trials (2 x model, 2 x seed; rules of `when` have left out 1)" in done.output


def test_exclude_leaves_combinations_out() -> None:
    axes = "{grid: {tau: [1, 50], seed: [0, 1, 2]}, exclude: [{tau: 50, seed: [1, 2]}]}"
    assert [tuple(each.values()) for each in expanded(axes)] == [(1, 0), (1, 1), (1, 2), (50, 0)]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("{zip: [{a: [1, 2], b: [1]}]}", "s.yaml:1:29: axes.zip[0].b: found a list of 1, expected 2, as many as `a`"),
        ("{grid: {a: [1]}, zip: [{a: [2]}]}", "axes.zip[0].a: sets what the axis `a` on line 1 sets as well"),
        ("{grid: {a: [1], a.b: [2]}}", "axes.grid.a.b: sets what the axis `a` on line 1 sets as well"),
        (
            "{grid: {a: [1]}, when: [{if: {a: 2}, set: {b: 1}}]}",
            "axes.when[0].if.a: no trial has a 2; the trials have 1",
        ),
        ("{grid: {a: [1]}, exclude: [{a: 2}]}", "axes.exclude[0].a: no trial has a 2; the trials have 1"),
        ("{grid: {a: [1, 2, 1]}}", "s.yaml:1:25: axes.grid.a[2]: 1 is given twice"),
        ("{zip: [{a: [1, 2], b: [1, 2]}], exclude: [{a: 1, b: 2}]}", "axes.exclude[0]: holds for no combination"),
        ("{grid: {a: [1]}, exclude: [{a: 1}]}", "axes.exclude[0]: leaves no trial at all"),
        ("{grid: {tau: [1], data.tau: [2]}}", "axes.grid.data.tau: sets what the axis `tau` on line 1 sets as well"),
        ("{grid: {tau: [1], data: [{tau: 2}]}}", "axes.grid.data: sets what the axis `tau` on line 1 sets as well"),
        (
            "{grid: {a: [1]}, when: [{if: {a: 1}, set: {lora: {rank: 1}, lora.rank: 2}}]}",
            "axes.when[0].set.lora.rank: sets what `lora` on line 1 sets as well",
        ),
        (
            "{grid: {a: [1, 2]}, when: [{if: {a: 1}, set: {a: 2}}, {if: {a: 2}, set: {a: 1}}]}",
            "axes.when[0].set: makes a=1 the same as a=2, which is there already; leave it out by `exclude`",
        ),
        (
            "{grid: {a: [1, 2, 3], b: [1, 2]}, when: [{if: {b: 2, a: [2, 3]}, set: {a: [7, 1]}}]}",
            "axes.when[0].set: makes a=2, b=2 the same as a=1, b=2",
        ),
        ("{grid: {seed: [0, 1]}, exclude: [{seed: true}]}", "no trial has seed true; the trials have 0, 1"),
    ],
)
def test_axes_that_cannot_be_meant_are_refused(axes: str, message: str) -> None:
    assert message in "\n".join(refused(axes))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("{algorithm: grpo}", True), ("{tau: 1}", True), ("{data.tau: 1}", True), ("{loss.clip_low: 0.2}", True),
        ("{optimizer.schedule: constant}", True), ("{lora: null}", True), ("{algorithm: dapo}", False),
        ("{optimizer.learning_rate: 0}", False),
    ],
)  # fmt: skip
def test_a_condition_may_look_at_defaults(condition: str, holds: bool) -> None:
    source = parse_yaml(f"pattern: {condition}", "s.yaml")
    assert matches(source.data["pattern"], EffectiveValues({}, source).of({})) is holds


RULES = "  when: [{if: {seed: 2}, set: {group_size: 8}}]\n  exclude: [{seed: 2, model: large}]\n"


def with_axes(tiny_sweep: Path, rules: str) -> Path:
    tiny_sweep.write_text(tiny_sweep.read_text().replace("budgets:", f"{rules}budgets:"))
    return tiny_sweep


@pytest.mark.parametrize(("override", "seeds"), [("seed=[1]", "1"), ("seed=null", "0")])
def test_a_rule_for_values_that_the_command_line_has_taken_away_is_worth_a_word(
    tiny_sweep: Path, override: str, seeds: str
) -> None:
    file = with_axes(tiny_sweep, RULES)
    assert (len(load_sweep(file).trials), load_sweep(file).cautions) == (3, ())
    loaded = load_sweep(file, [override])
    assert len(loaded.trials) == 2
    assert [each.partition("axes.")[2] for each in loaded.cautions] == [
        f"when[0].if.seed: no trial has seed 2; the trials have {seeds}",
        f"exclude[0].seed: no trial has seed 2; the trials have {seeds}",
    ]
    assert load_sweep(file, [override, "axes.when=[]", "axes.exclude=[]"]).cautions == ()


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_rule_of_one_file_for_the_axes_of_another_is_worth_a_word(tiny_sweep: Path, command: str) -> None:
    child = tiny_sweep.parent / "child.yaml"
    child.write_text("extends: tiny.yaml\naxes: {exclude: [{seed: 7}]}\n")
    done = CliRunner().invoke(app, [command, str(child)])
    assert done.exit_code == 0
    said = " ".join(done.output.replace("\n", "").split())
    assert "child.yaml:2:25: axes.exclude[0].seed: no trial has seed 7; the trials have 1, 2".replace(" ", "") in (
        said.replace(" ", "")
    )


def test_a_condition_on_a_value_that_the_command_line_has_changed_is_worth_a_word(tiny_sweep: Path) -> None:
    file = with_axes(tiny_sweep, "  exclude: [{group_size: 4, seed: 2}]\n")
    (caution,) = load_sweep(file, ["group_size=8"]).cautions
    assert caution.endswith("axes.exclude[0].group_size: no trial has group_size 4; the trials have 8")


def test_a_value_that_an_earlier_rule_has_left_out_may_stand_in_a_list(tiny_sweep: Path) -> None:
    file = with_axes(tiny_sweep, "  exclude: [{seed: 1, model: small}, {model: small, seed: [1, 2]}]\n")
    assert len(load_sweep(file).trials) == 2


RESOURCES = "resources: [{if: {params_below: 1.0e3}, cpus: 1}, {if: {model: small}, cpus: 2}]\n"


def test_entries_of_resources_that_run_no_trial_and_trials_without_one_are_worth_a_word(tiny_sweep: Path) -> None:
    tiny_sweep.write_text(tiny_sweep.read_text().replace("resources: {memory_gb: 1}\n", RESOURCES))
    assert [each.partition(": ")[2] for each in load_sweep(tiny_sweep).cautions] == [
        "resources[0].if: holds for no trial, or only where an entry before it does: no trial is run by this entry",
        "resources: no entry holds for some trials, such as those of large: the planner decides",
    ]
    (caution,) = load_sweep(tiny_sweep, ["resources=[{if: {seed: 1}}, {cpus: 2}]", "seed=[2]"]).cautions
    assert "resources[0].if.seed: no trial has seed 1; the trials have 2" in caution


@pytest.mark.parametrize(
    ("axis", "given", "left"),
    [
        ("optimizer.learning_rate: [0.1, 0.2]", "optimizer: {learning_rate: 0.5}", {"optimizer.learning_rate": 0.5}),
        (
            "optimizer.learning_rate: [0.1, 0.2]",
            "optimizer: {learning_rate: 0.5, adam_beta2: 0.9}",
            {"optimizer.learning_rate": 0.5, "optimizer": {"adam_beta2": 0.9}},
        ),
        ("optimizer: [{learning_rate: 0.1}, {learning_rate: 0.2}]", "optimizer.learning_rate: 0.5",
         {"optimizer.learning_rate": 0.5}),
        ("data.tau: [1, 2]", "tau: 5", {"tau": 5}),
        ("tau: [1, 2]", "data: {tau: 5}", {"tau": 5}),
    ],
)  # fmt: skip
def test_a_rule_gives_the_values_of_axes_under_any_of_their_names(axis: str, given: str, left: dict[str, Any]) -> None:
    made = expanded(f"{{grid: {{{axis}, seed: [0, 1]}}, when: [{{if: {{seed: 1}}, set: {{{given}}}}}]}}")
    assert len(made) == 3
    assert [each for each in made if each["seed"] == 1] == [{"seed": 1, **left}]


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), max_size=3
    )
)
def test_a_grid_has_the_product_of_its_axes_each_once(grid: dict[str, list[int]]) -> None:
    made = expanded(yaml.safe_dump({"grid": grid}, default_flow_style=True, width=10_000).strip())
    count = 1
    for values in grid.values():
        count *= len(values)
    assert len({tuple(sorted(each.items())) for each in made}) == len(made) == count
    assert made == expanded(yaml.safe_dump({"grid": grid}, default_flow_style=True, width=10_000).strip())


def test_a_wrong_value_of_a_zip_or_a_rule_is_placed_where_it_stands(tiny_sweep: Path) -> None:
    text = tiny_sweep.read_text()
    axes = "  zip: [{group_size: [4, 1]}]\n  when: [{if: {seed: 2}, set: {prompts_per_step: x}}]\n"
    tiny_sweep.write_text(text.replace("budgets:", f"{axes}budgets:"))
    with pytest.raises(InvalidSweep) as caught:
        load_sweep(tiny_sweep)
    found = [str(problem).partition("tiny.yaml:")[2] for problem in caught.value.problems]
    assert found == [
        "26:26: axes.zip[0].group_size[1]: found 1, expected at least 2",
        "27:50: axes.when[0].set.prompts_per_step: found 'x', expected a whole number",
    ]


def test_problems_of_sections_and_of_trials_are_reported_together(tiny_sweep: Path) -> None:
    text = tiny_sweep.read_text().replace("keep: 1", "keep: 0").replace("group_size: 4", "group_size: 1")
    tiny_sweep.write_text(text.replace("seed: [1, 2]", "seed: [1, x]").replace("unit: steps", "unit: stps"))
    with pytest.raises(InvalidSweep) as caught:
        load_sweep(tiny_sweep)
    found = str(caught.value)
    for part in ("checkpoints.keep", "base.group_size", "axes.grid.seed[1]", "budgets.unit"):
        assert part in found


def test_set_changes_a_paired_axis_where_it_stands(tiny_sweep: Path) -> None:
    text = tiny_sweep.read_text()
    tiny_sweep.write_text(text.replace("budgets:", "  zip: [{group_size: [4, 8], prompts_per_step: [8, 4]}]\nbudgets:"))
    trials = load_sweep(tiny_sweep, ["group_size=[2, 16]", "seed=[1]", "model=[small]"]).trials
    assert [(t.spec.algorithm.group_size, t.spec.algorithm.prompts_per_step) for t in trials] == [(2, 8), (16, 4)]
    with pytest.raises(InvalidSweep, match="expected 1, as many as `group_size` beside it"):
        load_sweep(tiny_sweep, ["group_size=[2]"])
