"""`rlsweep plan` on a terminal and as JSON: it fits, says everything, and has no number for what is not known."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.planning.hours import Interval
from orchestrator.screens.plan_table import MOST_ROWS, within
from orchestrator.screens.plan_units import digits, flops, hours, hours_interval, interval, size
from tests.unit.test_plan_gpus import SHIPPED, SWEEPS, planned


def shown(tmp_path: Path, name: str, *arguments: str, columns: int = 80) -> str:
    """What `rlsweep plan` prints of a shipped sweep where there is no database."""
    command = ["plan", str(SWEEPS / f"{name}.yaml"), "--db", str(tmp_path / "none.db"), *arguments]
    done = CliRunner().invoke(app, command, env={"COLUMNS": str(columns)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def as_json(tmp_path: Path, name: str, *arguments: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(shown(tmp_path, name, "--json", *arguments), parse_constant=refuse)


@pytest.mark.parametrize("name", [file.stem for file in SHIPPED])
@pytest.mark.parametrize("columns", [80, 140])
def test_every_shipped_sweep_is_shown_within_the_terminal(tmp_path: Path, name: str, columns: int) -> None:
    lines = shown(tmp_path, name, columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert not any("…" in line for line in lines)
    (heading,) = [line for line in lines if line.startswith("trials of")]
    words = ["trials of", "trials", "GPUs", "steps", "FLOPs each"]
    layout = ["nodes", "micro-batch x accumulation", "sleep", "GB/GPU"]
    *found, hours = re.split(r"  +", heading.strip())
    assert found == (words[:3] + layout + words[3:] if columns >= 120 else words)
    assert hours in ("GPU-hours each", "GPU-hours")  # without its interval where names are long
    rows = lines[lines.index(heading) + 1 :]
    kinds = len(planned(name).kinds)
    assert not any(row.startswith(" ") for row in rows[:kinds])
    assert len({row.split("  ")[0] for row in rows[:kinds]}) == kinds
    assert rows[kinds] == ""
    names = [line.split()[0] for line in lines if line]
    for name_of_total in ("Trials", "FLOPs", "GPU-hours", "Storage", "Lengths"):
        assert name_of_total in names


def test_the_table_of_the_main_sweep(tmp_path: Path) -> None:
    lines = [line.rstrip() for line in shown(tmp_path, "compute_scaling", "--set", "seed=[0]").splitlines()]
    assert lines[2:10] == [
        "trials of              trials      GPUs  steps  FLOPs each    GPU-hours each",
        "qwen2.5-0.5b                1         1    105  1.92 EFLOP   10.8 (5.4–21.6)",
        "qwen2.5-1.5b                1         1    105  6.09 EFLOP  21.4 (10.7–42.8)",
        "qwen2.5-3b                  1         2    105  12.3 EFLOP  34.4 (17.2–68.9)",
        "qwen2.5-7b                  1         4    105    28 EFLOP   65.6 (32.8–131)",
        "qwen2.5-14b                 1   8, TP 2    105  55.9 EFLOP      112 (56–224)",
        "qwen2.5-32b                 1  16, TP 4    105   128 EFLOP     239 (120–478)",
        "qwen2.5-72b                 1  32, TP 8    105   286 EFLOP   535 (267–1,070)",
    ]


def test_the_layout_of_a_trial_is_on_a_wide_terminal(tmp_path: Path) -> None:
    row = next(line for line in shown(tmp_path, "compute_scaling", columns=140).splitlines() if "72b " in line)
    assert re.split(r"  +", row)[:7] == ["qwen2.5-72b", "3", "32, TP 8", "4", "1 x 32", "yes", "75"]


def test_a_trial_on_a_cpu_has_no_gpu_hours_and_no_time_yet(tmp_path: Path) -> None:
    text = " ".join(shown(tmp_path, "quickstart").split())
    assert "qwen2-25k 2 CPU 160 226 GFLOP –" in text
    assert "GPU-hours none: the trials run on CPUs" in text
    assert "Wall time not known: 8 of the trials are of kinds of which none has ended on a CPU yet" in text


def test_one_gpu_is_one_gpu(tmp_path: Path) -> None:
    assert re.search(r"^Wall time   16\.6 h \(8\.31 to 33\.2\) on 1 GPU *$", shown(tmp_path, "single_gpu"), re.M)


def test_warnings_are_under_the_totals_and_begin_as_they_are_written(tmp_path: Path) -> None:
    text = " ".join(shown(tmp_path, "single_gpu", "--set", "limits.gpu_hours=2").split())
    assert text.endswith(
        "Warning: limits.gpu_hours is 2, and 16.6 are expected: trials will stop before their budgets."
    )


def test_a_sweep_of_many_kinds_is_cut_and_says_so(tmp_path: Path) -> None:
    rates = json.dumps([number / 1e7 for number in range(1, 101)])
    grid = f"axes.grid={{optimizer.learning_rate: {rates}, model: [qwen2.5-3b]}}"
    text = shown(tmp_path, "single_gpu", "--set", grid, "--set", "resources.gpus=2")
    assert text.count("qwen2.5-3b") == MOST_ROWS
    assert "... and 40 more kinds; --json has them all" in text


@pytest.mark.parametrize("name", [file.stem for file in SHIPPED])
def test_the_json_of_every_shipped_sweep_has_every_trial(tmp_path: Path, name: str) -> None:
    plan = as_json(tmp_path, name)
    totals, trials = plan["totals"], plan["trials"]
    assert len(trials) == totals["trials"] == totals["new"] > 0
    assert all(trial["flops"]["total"] > 0 and trial["done_share"] == 0 for trial in trials)
    assert len({trial["science_hash"] for trial in trials}) == len(trials)
    assert totals["flops"]["total"] == pytest.approx(sum(trial["flops"]["total"] for trial in trials))
    assert all(math.isfinite(number) for number in _numbers(plan))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


def test_what_is_not_known_is_null_in_the_json_with_the_reason(tmp_path: Path) -> None:
    plan = as_json(tmp_path, "quickstart")
    assert [plan["totals"][key] for key in ("gpu_hours", "gpu_hours_left", "cost", "wall_hours")] == [None] * 4
    assert plan["gpus_available"] is None
    first = plan["trials"][0]
    assert [first[key] for key in ("on_gpus", "gpu_hours", "wall_hours")] == [None] * 3
    assert first["no_gpu_hours_because"] == "the trial runs on CPUs"
    assert first["no_wall_hours_because"] == "no trial like it has ended on a CPU yet"
    assert first["cpu_memory_bytes"]["total"] > 1e9
    on_gpus = as_json(tmp_path, "single_gpu", "--gpus", "8")
    assert on_gpus["gpus_available"] == 8
    assert on_gpus["trials"][0]["cpu_memory_bytes"] is None
    assert on_gpus["trials"][0]["no_gpu_hours_because"] is None
    assert on_gpus["trials"][0]["on_gpus"]["utilisation"]["source"] == "assumed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (flops(1.234e21), "1.23 ZFLOP"),
        (flops(9.996e17), "1 EFLOP"),
        (flops(12), "1e-08 GFLOP"),
        (size(91.44e9), "91.4 GB"),
        (size(2.5e15), "2.5 PB"),
        (digits(0), "0"),
        (digits(0.01234), "0.0123"),
        (digits(99.96), "100"),
        (digits(123456), "123,000"),
        (hours(75), "3.12 days"),
        (hours(18), "18 h"),
        (hours(1.25), "75 min"),
        (hours(40 / 3600), "40 s"),
        (hours(0.2 / 3600), "less than 1 s"),
        (interval(Interval(36, 72, 144)), "72 (36 to 144)"),
        (interval(Interval(5, 5, 5)), "5"),
        (hours_interval(Interval(9, 18, 36)), "18 h (9 to 36)"),
        (hours_interval(Interval(0.8, 10.8, 21.6)), "10.8 h (0.8 to 21.6)"),
        (hours_interval(Interval(32, 64, 128)), "2.67 days (1.33 to 5.33)"),
        (hours_interval(Interval(0.9, 1.5, 3)), "90 min (54 to 180)"),
        (hours_interval(Interval(1e-9, 2e-9, 3e-9)), "less than 1 s"),
    ],
)
def test_quantities_are_shown_with_three_digits_in_units_that_people_read(text: str, expected: str) -> None:
    assert text == expected


def test_memory_of_a_gpu_and_the_micro_batch_are_shown_in_80_columns(tmp_path: Path) -> None:
    text = " ".join(shown(tmp_path, "single_gpu").split())
    assert "GB of each GPU at the peak, and what is free for the cache; micro-batch 1 Storage" in text
    memory = as_json(tmp_path, "single_gpu")["trials"][0]["on_gpus"]["memory_bytes_per_gpu"]
    assert memory["peak"] == max(memory["training"]["total"], memory["generation"]["total"])


@pytest.mark.parametrize(
    ("names", "room", "shorter"),
    [
        (["tau 5, qwen2.5-7b"], 20, ["tau 5, qwen2.5-7b"]),
        (["tools python max_turns 4, 7b"], 20, ["tools python m.., 7b"]),
        (["abcdefghijk, model-one", "abcdefghijk, model-two"], 18, ["abcde.., model-one", "abcde.., model-two"]),
        (["abcdefghijk, model-1234", "abcdefghijk, model-1235"], 17, ["abc.., model-1234", "abc.., model-1235"]),
        (["a, b, c, d, e, f, g"], 10, ["a, b, c,.."]),
    ],
)
def test_names_are_cut_where_they_are_longest_but_not_to_be_the_same(
    names: list[str], room: int, shorter: list[str]
) -> None:
    assert within(names, room) == shorter
    assert all(len(name) <= room for name in shorter)
