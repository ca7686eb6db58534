"""The JSON Schema of sweep files: published as generated, and of one mind with what `validate` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.names import section_names, value_names
from orchestrator.sweepfile.problems import InvalidSweep
from orchestrator.sweepfile.schema import schema_text, sweep_schema
from orchestrator.sweepfile.yaml_source import parse_yaml, read_yaml
from tests.unit.test_presets import STUDY
from tests.unit.test_sweep_properties import grids, study

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "sweeps").glob("*.yaml"))
BROKEN = sorted((ROOT / "tests" / "broken").glob("*.yaml"))
# What a schema of single values cannot see: what goes together, what names stand for, and what YAML hides.
BEYOND_A_SCHEMA = (
    "axes_", "budgets_", "evaluations_kept", "evaluations_method", "evaluations_samples",
    "extends_", "preset_as", "preset_missing", "resources_",
    "several_axes", "trap_", "value_", "yaml_",
)  # fmt: skip
VALIDATOR = Draft202012Validator(sweep_schema())


def objections(data: Any) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(data)]


def test_the_published_schema_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "sweep.schema.json").read_text(encoding="utf-8") == schema_text(), "make docs renews it"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(sweep_schema())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_file_fits_the_schema(file: Path) -> None:
    assert objections(read_yaml(file).data) == []


@settings(max_examples=25, deadline=None)
@given(grid=grids())
def test_every_valid_grid_fits_the_schema(grid: dict[str, list[Any]]) -> None:
    assert objections(study(grid)) == []


def readable(file: Path) -> Any:
    """What an editor sees; None where it is no YAML or one of its traps."""
    try:
        return parse_yaml(file.read_bytes().decode("utf-8-sig"), file.name).data
    except (InvalidSweep, UnicodeDecodeError):
        return None


GROSS = [file for file in BROKEN if not file.name.startswith(BEYOND_A_SCHEMA) and readable(file) is not None]


def test_there_are_gross_mistakes() -> None:
    assert len(GROSS) >= 35


@pytest.mark.parametrize("file", GROSS, ids=lambda file: file.stem)
def test_gross_mistakes_do_not_fit_the_schema(file: Path) -> None:
    assert objections(readable(file))


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("unit: samples", "unit: sample", "$.budgets.unit"),
        ("at: [51200]", "at: []", "$.budgets.at"),
        ("preset: paper", "preset: papr", "$.base.preset"),
        ("preset: paper", "preset: paper\n  group_size: 1", "$.base.group_size"),
        ("preset: paper", "preset: paper\n  optimizer: {schedule: linar}", "$.base.optimizer.schedule"),
        ("name: reuse", "name: reuse\naxes: {grid: {group_size: [1]}}", "$.axes.grid.group_size[0]"),
        ("name: reuse", "name: reuse\naxes: {grid: {'loss.clip_low': [x]}}", "$.axes.grid['loss.clip_low'][0]"),
        ("name: reuse", "name: reuse\nresources: [{gpus: -1}]", "$.resources"),
    ],
)
def test_a_wrong_value_is_found_where_it_stands(old: str, new: str, path: str) -> None:
    assert objections(parse_yaml(STUDY, "s").data) == []
    (found,) = objections(parse_yaml(STUDY.replace(old, new), "s").data)
    assert found == path


def test_every_name_of_the_language_is_in_the_schema() -> None:
    schema = sweep_schema()
    assert set(schema["properties"]) == {*SweepFile.model_fields, "extends"}
    assert set(schema["properties"]["base"]["properties"]) == {*Point.model_fields, "preset"}
    assert set(schema["$defs"]["ListsByName"]["properties"]) == set(value_names())
    assert {"extends", "base.preset", "axes.when.if", "fit.from"} <= set(section_names())


def test_a_file_that_extends_another_may_leave_out_what_that_one_has(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(STUDY)
    (tmp_path / "child.yaml").write_text(
        "extends: parent.yaml\nbudgets: {at: [5120]}\nbase: {optimizer: {weight_decay: 0}}\n"
    )
    assert load_sweep(tmp_path / "child.yaml").trials
    assert objections(read_yaml(tmp_path / "child.yaml").data) == []
    assert objections({"name": "x", "base": {}, "evaluations": [{}], "budgets": {"at": [1]}}) == ["$.budgets"]


def test_null_may_take_away_axes_and_models_and_nothing_else() -> None:
    assert objections({"extends": "x.yaml", "models": {"m": None}, "axes": {"grid": {"seed": None}}}) == []
    assert objections({"extends": "x.yaml", "axes": {"zip": [{"seed": None}]}, "base": {"seed": None}}) != []


def test_an_axis_of_no_known_name_is_refused() -> None:
    assert objections({"extends": "x.yaml", "axes": {"grid": {"sed": [1]}}}) == ["$.axes.grid"]
    assert objections({"extends": "x.yaml", "axes": {"exclude": [{"optimizer.learning_rat": 1}]}}) == [
        "$.axes.exclude[0]"
    ]


def test_the_command_prints_or_writes_the_schema(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["schema"])
    assert json.loads(printed.stdout) == sweep_schema()
    file = tmp_path / "sweep.schema.json"
    written = CliRunner().invoke(app, ["schema", "--output", str(file)])
    assert written.exit_code == 0
    assert file.read_text(encoding="utf-8") == schema_text()
