"""docs/data.md and the tables of docs/sweeps.md say what the code does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.sweepfile.algorithms import SETTINGS
from orchestrator.sweepfile.loading import load_sweep
from workers.prompts.rows import COLUMNS, OPTIONAL_COLUMNS
from workers.prompts.training_set import training_set
from workers.rewards.sources import REFUSED, SCORERS
from workers.spec import Data
from workers.unsupported import unsupported

ROOT = Path(__file__).parents[2]
DATA = (ROOT / "docs/data.md").read_text()
SWEEPS = (ROOT / "docs/sweeps.md").read_text()


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    _, _, section = text.partition(f"## {heading}\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_example_writes_a_file_that_can_be_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", DATA, re.DOTALL)
    exec(example, {})
    made = training_set(Data(train="./mine_train.parquet"), last_prompts=None, count_tokens=len)
    assert [prompt.answer for prompt in made.curriculum.prompts] == ["8", "693", "40353607"]
    assert [prompt.is_easy for prompt in made.curriculum.prompts] == [True, True, False]
    assert made.curriculum.prompts[0].text.endswith(r"within \boxed{}.")


def test_every_column_that_is_read_is_in_the_table() -> None:
    needed = {row[0].strip("`"): row[2] for row in table(DATA, "The columns")}
    assert {name for name, word in needed.items() if word == "yes"} == set(COLUMNS)
    assert {name for name, word in needed.items() if word == "no"} == set(OPTIONAL_COLUMNS)


def test_every_source_that_is_judged_or_refused_is_in_the_table() -> None:
    rows = table(DATA, "Who judges an answer")
    told = {name.rstrip("."): row for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    same_files = {"logic__arcagi", "logic__barc"}  # other names of the grids
    assert set(SCORERS) - same_files <= set(told)
    for prefix in REFUSED:
        (row,) = [row for name, row in told.items() if name.startswith(prefix)]
        assert "not in this version" in row[2]


def test_every_setting_of_every_algorithm_is_in_the_table() -> None:
    told: dict[str, dict[str, Any]] = {}
    for name, settings in table(SWEEPS, "Algorithms"):
        pairs = [yaml.safe_load(pair) for pair in re.findall(r"`([^`]+: [^`]+)`", settings)]
        told[name.strip("`")] = {f"loss.{key}": value for pair in pairs for key, value in pair.items()}
    numbers = {name: {key: _number(value) for key, value in each.items()} for name, each in told.items()}
    assert numbers == SETTINGS


def _number(value: Any) -> Any:
    """`3e-4`, which YAML 1.1 takes for text."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"\de-\d", value) else value


def test_the_table_of_what_ships_says_what_cannot_be_run() -> None:
    told = {row[0].strip("`"): row[2] for row in table(SWEEPS, "What ships")}
    assert set(told) == {file.name for file in (ROOT / "sweeps").glob("*.yaml")}
    for name, words in told.items():
        refused = any(unsupported(trial.spec) for trial in load_sweep(ROOT / "sweeps" / name).trials)
        assert bool(words) == refused, name
