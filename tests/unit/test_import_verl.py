"""verl's logs: JSON lines and console output, resumed runs, and what its metrics become."""

from __future__ import annotations

import json
import math
import numbers
import pprint
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.errors import SpecError
from db.records import ImportedRun
from exchange.importing.imported_log import ImportedLog, read_logs
from exchange.importing.mapping import parse_request
from exchange.importing.verl_log import read_verl_files

VALIDATION = {"val-core/openai/gsm8k/acc/mean@4": 0.5, "val-aux/openai/gsm8k/reward/mean@4": 0.4}


def metrics(step: int, **changes: float) -> dict[str, object]:
    """What verl's trainer logs for a step."""
    return {
        "actor/kl_loss": 0.01 * step, "actor/ppo_kl": 9.0, "actor/entropy": 0.4, "actor/pg_clipfrac": 0.02,
        "actor/grad_norm": 1.5, "actor/pg_loss": -0.1, "actor/lr": 1e-6, "critic/rewards/mean": 0.3,
        "critic/score/mean": 0.35, "response_length/mean": 300.0, "response_length/max": 1024.0,
        "response_length/clip_ratio": 0.0625, "prompt_length/mean": 100.0, "perf/total_num_tokens": 6400,
        "timing_s/gen": 4.0, "timing_s/old_log_prob": 1.0, "timing_s/ref": 0.5, "timing_s/update_actor": 2.0,
        "timing_s/reward": 0.25, "timing_s/step": 8.0, "training/global_step": step, **changes,
    }  # fmt: skip


def json_line(step: int, data: Mapping[str, object]) -> str:
    return json.dumps({"step": step, "data": data}) + "\n"


def console_line(step: int, data: Mapping[str, object]) -> str:
    """As verl's `concat_dict_to_str` writes it."""
    parts = [f"{name}:{pprint.pformat(value)}" for name, value in data.items() if isinstance(value, numbers.Number)]
    return " - ".join([f"step:{step}", *parts]) + "\n"


def read(file: Path, *sets: str, maps: tuple[str, ...] = ()) -> ImportedLog:
    request = parse_request(maps, ("model=Qwen2.5-7B", *sets))
    (log,) = read_logs(read_verl_files([file], request), request)
    return log


def run_of(log: ImportedLog) -> ImportedRun:
    (run,) = log.runs
    return run


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    file = tmp_path / "grpo-7b.jsonl"
    lines = [json_line(0, VALIDATION), json_line(1, metrics(1)), json_line(2, metrics(2) | VALIDATION)]
    file.write_text("".join(lines))
    return file


def test_a_json_log_becomes_a_run_with_steps_and_scores(log_file: Path) -> None:
    run = run_of(read(log_file, "num_params=7e9", "group_size=4", "prompts_per_step=4", "problems@openai/gsm8k=10"))
    assert (run.name, run.group_size, run.learning_rate) == ("grpo-7b", 4, 1e-6)
    step = run.steps[1]
    assert (step.step, step.cumulative_samples, step.cumulative_tokens, step.cumulative_seconds) == (2, 8, 12_800, 16.0)
    assert (step.prompt_tokens, step.completion_tokens) == (1600, 4800)
    assert (step.kl, step.reward, step.entropy, step.clipped_share, step.loss) == (0.02, 0.3, 0.4, 0.02, -0.1)
    assert (step.logprob_seconds, step.generation_seconds, step.update_seconds) == (1.5, 4.0, 2.0)
    assert (step.mean_completion_tokens, step.max_completion_tokens, step.truncated_share) == (300.0, 1024.0, 0.0625)
    assert step.cumulative_flops is None
    found = [(each.step, each.benchmark, each.protocol, each.score, each.successes) for each in run.evaluations]
    assert found == [(at, "openai/gsm8k", "verl-mean@4", 0.5, 20) for at in (0, 2)]


def test_console_output_says_the_same_as_the_json_log(tmp_path: Path, log_file: Path) -> None:
    file = tmp_path / "grpo-7b.log"
    rows: list[tuple[int, Mapping[str, Any]]] = [(0, VALIDATION), (1, metrics(1)), (2, metrics(2) | VALIDATION)]
    text = "Initial validation metrics: {'val-core/x': 0.5}\nepoch 0, step:\n"
    for step, data in rows:
        numpy_data = {name: np.float64(value) for name, value in data.items()}
        text += "\x1b[36m(TaskRunner pid=4711, ip=10.0.0.1)\x1b[0m " + console_line(step, numpy_data if step else data)
        text += "Training Progress:  10%|█         | 1/10 [00:08<01:12,  8.00s/it]\n"
    file.write_text(text)
    assert run_of(read(file)) == run_of(read(log_file))


def test_a_progress_bar_after_a_line_is_no_part_of_its_last_metric(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    line = console_line(1, metrics(1)).rstrip("\n")
    file.write_text(f"{line}\rTraining Progress:  1%| | 1/100 [00:08<01:12,  8.00s/it]\n{console_line(2, metrics(2))}")
    assert [step.reward for step in run_of(read(file)).steps] == [0.3, 0.3]


def test_old_logs_with_three_decimals_are_read(tmp_path: Path) -> None:
    file = tmp_path / "old.log"
    file.write_text("step:3 - actor/entropy_loss:0.412 - critic/kl:0.001 - val/test_score/openai/gsm8k:0.250\n")
    run = run_of(read(file))
    assert (run.steps[0].entropy, run.steps[0].kl) == (0.412, 0.001)
    assert [(each.benchmark, each.protocol, each.score) for each in run.evaluations] == [
        ("openai/gsm8k", "verl-test-score", 0.25)
    ]


def test_after_a_resume_the_last_logged_steps_count_and_abandoned_ones_do_not(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    first = [console_line(step, metrics(step, **{"critic/rewards/mean": 0.1})) for step in range(1, 7)]
    resumed = [console_line(3, VALIDATION)]
    resumed += [console_line(step, metrics(step, **{"critic/rewards/mean": 0.2})) for step in (4, 5)]
    file.write_text("".join(first + resumed))
    log = read(file)
    run = run_of(log)
    assert [(step.step, step.reward) for step in run.steps] == [(1, 0.1), (2, 0.1), (3, 0.1), (4, 0.2), (5, 0.2)]
    assert run.steps[-1].cumulative_tokens == 5 * 6400
    assert [each.step for each in run.evaluations] == [3]
    assert any("logged again, or given up" in note for note in log.notes)


def test_tokens_are_not_summed_over_a_log_with_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(json_line(1, metrics(1)) + json_line(3, metrics(3)))
    log = read(file, "prompts_per_step=8")
    assert [(s.cumulative_samples, s.cumulative_tokens) for s in run_of(log).steps] == [(8, None), (24, None)]
    assert any("perf/total_num_tokens is not logged for every step" in note for note in log.notes)


@pytest.mark.parametrize(("step_seconds", "expected"), [(8.0, 8.0), (13.0, 8.0)])
def test_validation_is_left_out_of_the_seconds_of_training(
    tmp_path: Path, step_seconds: float, expected: float
) -> None:
    file = tmp_path / "run.jsonl"
    timing = {"timing_s/step": step_seconds, "timing_s/testing": 5.0}
    file.write_text(json_line(1, metrics(1, **timing)))
    assert run_of(read(file)).steps[0].cumulative_seconds == expected


def test_files_are_parts_of_one_run_when_the_run_is_named(tmp_path: Path) -> None:
    parts = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    parts[0].write_text(json_line(1, metrics(1)))
    parts[1].write_text(json_line(2, metrics(2)))
    request = parse_request((), ("model=Q", "run=whole"))
    (log,) = read_logs(read_verl_files(parts, request), request)
    assert [step.step for step in run_of(log).steps] == [1, 2]
    other = parse_request((), ("model=Q",))
    assert [run_of(each).name for each in read_logs(read_verl_files(parts, other), other)] == ["a", "b"]


def test_a_metric_of_any_name_can_be_mapped_or_left_out(log_file: Path) -> None:
    maps = ("val-aux/openai/gsm8k/reward/mean@4=score@gsm8k-reward", "actor/kl_loss=-")
    run = run_of(read(log_file, "protocol=mean", maps=maps))
    assert {(each.benchmark, each.protocol) for each in run.evaluations} == {
        ("gsm8k-reward", "mean"), ("openai/gsm8k", "verl-mean@4"),
    }  # fmt: skip
    assert run.steps[0].kl is None


def test_a_reward_below_zero_is_no_score_and_can_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    name = "val-core/aime/reward/mean@8"
    file.write_text(json_line(1, metrics(1) | {name: -0.5}))
    with pytest.raises(SpecError, match=r"-0.5 is out of range: score@aime is 0 or more"):
        read(file)
    assert run_of(read(file, maps=(f"{name}=-",))).evaluations == ()


def test_a_line_cut_off_by_a_crash_is_left_out_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(json_line(1, metrics(1)) + '{"step": 2, "da')
    assert len(run_of(read(file)).steps) == 1
    file.write_text('{"step": 1, "da\n' + json_line(2, metrics(2)))
    with pytest.raises(SpecError, match="line 1: not a whole JSON line"):
        read(file)


def test_a_file_without_steps_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    file.write_text("Nothing happened.\n")
    with pytest.raises(SpecError, match="holds no steps of verl"):
        read(file)


def test_a_benchmark_that_no_score_takes_is_refused(log_file: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(log_file, "benchmark=gsm8k", "problems@gsm8k=1319")
    for option in ("benchmark", "problems@gsm8k"):
        assert (
            f"--set {option}: applies to none of the scores, which have their own: val-core/openai/gsm8k/acc/mean@4"
            in str(caught.value)
        )


@pytest.mark.parametrize("line", [json_line, console_line])
@pytest.mark.parametrize(("value", "word"), [(math.inf, "infinite"), (math.nan, "not a number")])
def test_what_is_no_measurement_is_missing_and_told_in_both_kinds_of_log(
    tmp_path: Path, line: Callable[[int, Mapping[str, object]], str], value: float, word: str
) -> None:
    file = tmp_path / "run.log"
    score = "val-core/openai/gsm8k/acc/mean@4"
    unused = {"unused/metric": value}
    rows = [metrics(1, **{"actor/grad_norm": value}), metrics(2), metrics(3) | VALIDATION | {score: value}]
    file.write_text("".join(line(step, row | unused) for step, row in enumerate(rows, start=1)))
    log = read(file)
    assert [step.gradient_norm for step in run_of(log).steps] == [None, 1.5, 1.5]
    assert run_of(log).evaluations == ()
    assert set(log.notes) == {
        f"step 1: actor/grad_norm is {word}, which is kept as missing",
        f"step 3: {score} is {word}, which is kept as missing",
    }


def test_a_step_logged_again_without_a_score_does_not_keep_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    score = "val-core/openai/gsm8k/acc/mean@4"
    lines = [json_line(1, metrics(1) | VALIDATION), json_line(2, metrics(2)), json_line(1, {score: math.nan})]
    file.write_text("".join(lines))
    assert run_of(read(file)).evaluations == ()


def test_a_line_that_was_cut_off_is_told(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    file.write_text(json_line(1, metrics(1)) + '{"step": 2, "da')
    assert read(file).notes == ("Line 2 is cut off, it is left out: the log is incomplete, or still written to.",)
    file.write_text(
        "step:1 - actor/entropy:0.412 - actor/grad_norm:1.5\nstep:2 - actor/entropy:0.4 - actor/grad_norm:1"
    )
    log = read(file)
    assert [(step.entropy, step.gradient_norm) for step in run_of(log).steps] == [(0.412, 1.5), (0.4, None)]
    assert log.notes == (
        "Line 2 is cut off, its last metric is left out: the log is incomplete, or still written to.",
    )  # fmt: skip


def test_a_whole_last_line_without_a_line_end_is_no_cut(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(json_line(1, metrics(1)) + json_line(2, metrics(2)).rstrip("\n"))
    log = read(file)
    assert (len(run_of(log).steps), log.notes) == (2, ())
