"""`rlsweep plan --resolved`: every value of a sweep on a line of its own, with where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app
from tests.unit.test_plan_gpus import SHIPPED, SWEEPS

SHARED = """
models:
  small: {source: Qwen/Qwen2.5-0.5B, dtype: bfloat16}
base:
  preset: paper@1
  data: {train: some/problems}
evaluations: [{benchmark: heldout, method: sampled, samples: 2}]
"""
STUDY = """extends: shared.yaml
name: study
question: Where does it come from?
base: {group_size: 4, data: {total_prompts: 51200}}
axes:
  grid: {algorithm: [grpo, gspo], model: [small]}
  zip: [{seed: [1, 2], tau: [1, 2]}]
budgets: {unit: samples, at: [5120]}
"""


def shown(*arguments: str) -> str:
    # On a narrow terminal too: people search these lines.
    done = CliRunner().invoke(app, ["plan", *arguments, "--resolved"], env={"COLUMNS": "60"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "shared.yaml").write_text(SHARED)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


@pytest.mark.parametrize(
    ("name", "values", "origin"),
    [
        ("algorithm", ["grpo", "gspo"], "axis, {folder}/study.yaml:6:10"),
        ("seed", [1, 2], "axis, {folder}/study.yaml:7:10"),
        ("tau", [1, 2], "axis, {folder}/study.yaml:7:24"),
        ("optimizer.learning_rate", [2e-6], "--set optimizer.learning_rate=2e-6"),
        ("limits.gpu_hours", [5.0], "--set limits.gpu_hours=5"),
        ("group_size", [4], "{folder}/study.yaml:4:20"),
        ("data.total_prompts", [51200], "{folder}/study.yaml:4:45"),
        ("data.train", ["some/problems"], "{folder}/shared.yaml:6:17"),
        ("models.small.source", ["Qwen/Qwen2.5-0.5B"], "{folder}/shared.yaml:3:19"),
        ("evaluations[0].samples", [2], "{folder}/shared.yaml:7:62"),
        ("updates_per_step", [4], "preset paper@1:10:21"),
        ("loss.importance_ratio", ["token", "sequence"], "algorithm gspo; else preset paper@1:16:23"),
        ("loss.entropy_quantile", [1.0], "default"),
        ("lora", [None], "default"),
        ("retry.nccl.max", [3], "default"),
    ],
)
def test_a_value_says_where_it_comes_from(study: Path, name: str, values: list[object], origin: str) -> None:
    changes = ["--set", "optimizer.learning_rate=2e-6", "--set", "limits.gpu_hours=5"]
    origin = origin.format(folder=study.parent)
    of_json = {each["name"]: each for each in json.loads(shown(str(study), *changes, "--json"))}
    assert of_json[name] == {"name": name, "values": values, "from": origin}
    (line,) = [line for line in shown(str(study), *changes).splitlines() if line.split()[0] == name]
    assert line.endswith(f"  {origin}")
    assert ", ".join("none" if value is None else str(value) for value in values) in line


@pytest.mark.parametrize("name", [file.stem for file in SHIPPED])
def test_every_value_of_a_shipped_sweep_has_one_line_and_one_origin(name: str) -> None:
    file = str(SWEEPS / f"{name}.yaml")
    resolved = json.loads(shown(file, "--json"))
    assert [line.split()[0] for line in shown(file).splitlines()] == [each["name"] for each in resolved]
    assert len({each["name"] for each in resolved}) == len(resolved) > 100
    assert all(each["values"] and each["from"] for each in resolved)


def test_many_values_are_cut_on_the_line_and_whole_in_the_json(study: Path) -> None:
    many = ["--set", f"axes.zip=[{{seed: {list(range(10))}}}]"]
    (line,) = [line for line in shown(str(study), *many).splitlines() if line.startswith("seed ")]
    assert "0, 1, 2, 3, 4, 5, 6, 7, ... (10 values)" in line
    (seeds,) = [each for each in json.loads(shown(str(study), *many, "--json")) if each["name"] == "seed"]
    assert seeds["values"] == list(range(10))


@pytest.mark.parametrize(
    ("changes", "name", "origin"),
    [
        ([], "resources.gpu", str(SWEEPS / "single_gpu.yaml:21:18")),
        (["resources.gpus=2"], "resources.gpus", "--set resources.gpus=2"),
        (["resources=[{gpus: 2}]"], "resources[0].gpus", "--set resources=[{gpus: 2}]"),
        (["limits={gpu_hours: 5}"], "limits.gpu_hours", "--set limits={gpu_hours: 5}"),
        (["optimizer={learning_rate: 2e-6}"], "optimizer.learning_rate", "--set optimizer={learning_rate: 2e-6}"),
    ],
)
def test_a_section_written_as_a_whole_says_where(changes: list[str], name: str, origin: str) -> None:
    arguments = [word for change in changes for word in ("--set", change)]
    resolved = json.loads(shown(str(SWEEPS / "single_gpu.yaml"), *arguments, "--json"))
    assert {each["name"]: each["from"] for each in resolved}[name] == origin
