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
    made = combine(Axes.model_validate(source.data["axes"]), effective, source)
    assert made.problems == []
    return [{name: choice.value for name, choice in each.items()} for each in made.combinations]


def refused(axes: str) -> list[str]:
    source = parse_yaml(f"axes: {axes}\nbase: {{}}", "s.yaml")
    checked = Axes.model_validate(source.data["axes"])
    problems = unsound_axes(checked, source) or combine(checked, EffectiveValues({}, source), source).problems
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
    axes = "{grid: {tau: [1, 5]}, when: [{if: {tau: [5, 7]}, set: {seed: [3, 4], group_size: 16}}]}"
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


def test_a_rule_for_values_that_the_command_line_has_taken_away_is_no_mistake(tiny_sweep: Path) -> None:
    rules = "  when: [{if: {seed: 2}, set: {group_size: 8}}]\n  exclude: [{seed: 2, model: large}]\n"
    tiny_sweep.write_text(tiny_sweep.read_text().replace("budgets:", f"{rules}budgets:"))
    assert len(load_sweep(tiny_sweep).trials) == 3
    assert len(load_sweep(tiny_sweep, ["seed=[1]"]).trials) == 2


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
