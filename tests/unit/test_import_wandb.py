"""W&B offline runs, written by W&B itself."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from db.errors import SpecError
from db.records import ImportedRun
from exchange.importing.imported_log import ImportedLog, read_logs
from exchange.importing.mapping import parse_request
from exchange.importing.wandb_records import read_records
from exchange.importing.wandb_run import read_wandb_runs

wandb = pytest.importorskip("wandb")

TRL_CONFIG = {
    "_name_or_path": "Qwen/Qwen2.5-0.5B", "seed": 7, "num_generations": 8, "learning_rate": 1e-6, "beta": 0.04,
    "loss_type": "dapo", "generation_batch_size": 64, "num_iterations": 1, "steps_per_generation": 4,
    "gradient_accumulation_steps": 4, "model/num_parameters": 494_000_000,
}  # fmt: skip
VERL_CONFIG = {
    "actor_rollout_ref": {
        "model": {"path": "Qwen/Qwen2.5-7B"}, "rollout": {"n": 16},
        "actor": {"optim": {"lr": 2e-6}, "use_kl_loss": True, "kl_loss_coef": 0.001, "ppo_mini_batch_size": 128},
    },
    "data": {"train_batch_size": 512}, "algorithm": {"adv_estimator": "grpo"},
}  # fmt: skip


def record(
    folder: Path, config: dict[str, Any], rows: Sequence[dict[str, Any]], *, run_id: str = "abc", steps: bool = False
) -> None:
    """Make a real offline run; with `steps`, rows are logged at W&B's steps 0, 1, ..."""
    settings = wandb.Settings(
        mode="offline", silent=True, x_disable_stats=True, disable_git=True, x_disable_meta=True, console="off"
    )
    run = wandb.init(project="p", name="my run", id=run_id, dir=folder, config=config, settings=settings)
    for number, row in enumerate(rows):
        run.log(row, step=number if steps else None)
    run.finish()
    _wait_for_end(folder)


def _wait_for_end(folder: Path) -> None:
    """W&B's own process may still be writing when `finish` has returned."""
    (file,) = folder.rglob("*.wandb")
    for _ in range(600):
        if any(each.WhichOneof("record_type") == "exit" for each in read_records(file)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{file} was never complete")


def trl_rows(steps: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "train/global_step": step, "train/reward": step / 10, "train/kl": float("nan"), "train/entropy": 0.5,
            "train/num_tokens": 1000 * step, "train/completions/mean_length": 200.0, "train/step_time": 2.0,
            "train/completions/clipped_ratio": 0.1, "train/frac_reward_zero_std": 0.25, "train/learning_rate": 1e-7,
            "nested": {"deep": 1}, "note": "text",
        }
        for step in steps
    ]  # fmt: skip


def read(folder: Path, *sets: str, maps: tuple[str, ...] = ()) -> ImportedLog:
    request = parse_request(maps, sets)
    (log,) = read_logs(read_wandb_runs([folder], request), request)
    return log


def run_of(log: ImportedLog) -> ImportedRun:
    (run,) = log.runs
    return run


def test_an_offline_run_of_trl_becomes_a_run(tmp_path: Path) -> None:
    rows = trl_rows([1, 2, 3])
    record(tmp_path, TRL_CONFIG, [*rows, {"train/global_step": 3, "eval/accuracy": 62.5}])
    log = read(tmp_path, "num_params=3.6e8", "problems@math=8", maps=("eval/accuracy=score@math:percent",))
    run = run_of(log)
    assert (run.name, run.model.name, run.model.num_params) == ("my run (abc)", "Qwen/Qwen2.5-0.5B", 360_000_000)
    assert (run.seed, run.group_size, run.learning_rate, run.kl_coefficient) == (7, 8, 1e-6, 0.04)
    assert (run.algorithm, run.prompts_per_step, run.model.total_params) == ("dapo", 8, 494_000_000)
    last = run.steps[-1]
    assert (last.step, last.cumulative_samples, last.cumulative_tokens, last.cumulative_seconds) == (3, 24, 3000, 6.0)
    assert (last.reward, last.kl, last.zero_variance_share, last.truncated_share) == (0.3, None, 0.25, 0.1)
    assert last.learning_rate == 1e-7
    assert [(each.step, each.benchmark, each.score, each.successes) for each in run.evaluations] == [
        (3, "math", 0.625, 5)
    ]
    assert log.file.format == "wandb"
    assert log.notes == ("steps 1, 2, 3: train/kl is not a number, which is kept as missing",)
    assert "nested.deep" in log.ignored


def test_an_offline_run_of_verl_becomes_a_run(tmp_path: Path) -> None:
    rows = [{"val-core/math/reward/mean@1": 0.1}]
    rows += [{"critic/rewards/mean": 0.2, "perf/total_num_tokens": 500.0, "timing_s/step": 3.0} for _ in range(2)]
    record(tmp_path, VERL_CONFIG, rows, steps=True)
    run = run_of(read(tmp_path))
    assert (run.model.name, run.group_size, run.prompts_per_step, run.updates_per_step) == (
        "Qwen/Qwen2.5-7B",
        16,
        512,
        4,
    )
    assert (run.learning_rate, run.kl_coefficient, run.algorithm) == (2e-6, 0.001, "grpo")
    assert [(step.step, step.cumulative_samples, step.cumulative_tokens) for step in run.steps] == [
        (1, 512, 500), (2, 1024, 1000),
    ]  # fmt: skip
    assert [(each.step, each.benchmark, each.samples_per_problem) for each in run.evaluations] == [(0, "math", 1)]


def test_folders_of_a_resumed_run_are_one_run(tmp_path: Path) -> None:
    record(tmp_path / "first", TRL_CONFIG, trl_rows([1, 2, 3]))
    later = [row | {"train/reward": 0.9} for row in trl_rows([3, 4])]
    record(tmp_path / "second", TRL_CONFIG, later)
    log = read(tmp_path)
    assert [(step.step, step.reward) for step in run_of(log).steps] == [(1, 0.1), (2, 0.2), (3, 0.9), (4, 0.9)]


def test_another_metric_may_count_the_steps(tmp_path: Path) -> None:
    record(tmp_path, {}, [{"iteration": 10, "r": 0.5}, {"iteration": 20, "r": 0.6}])
    run = run_of(read(tmp_path, "model=Q", maps=("iteration=step", "r=reward")))
    assert [(step.step, step.reward) for step in run.steps] == [(10, 0.5), (20, 0.6)]


def test_steps_counted_from_zero_are_said_to_be(tmp_path: Path) -> None:
    record(tmp_path, {}, [{"r": 0.5}, {"r": 0.6}])
    log = read(tmp_path, "model=Q", maps=("r=reward",))
    assert any("--map _step=step:from-zero" in note for note in log.notes)
    run = run_of(read(tmp_path, "model=Q", maps=("r=reward", "_step=step:from-zero")))
    assert [(step.step, step.reward) for step in run.steps] == [(1, 0.5), (2, 0.6)]


def test_a_long_run_is_read_across_the_blocks_of_its_file(tmp_path: Path) -> None:
    record(tmp_path, TRL_CONFIG, trl_rows(range(1, 401)))
    (file,) = tmp_path.rglob("*.wandb")
    assert file.stat().st_size > 4 * 32 * 1024
    assert [step.step for step in run_of(read(tmp_path)).steps] == list(range(1, 401))


def test_a_run_cut_off_by_a_crash_is_read_up_to_there(tmp_path: Path) -> None:
    record(tmp_path, TRL_CONFIG, trl_rows(range(1, 101)))
    (file,) = tmp_path.rglob("*.wandb")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    steps = [step.step for step in run_of(read(tmp_path)).steps]
    assert steps == list(range(1, len(steps) + 1))
    assert 10 < len(steps) < 100
    assert any("has no end" in note for note in read(tmp_path).notes)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run-x.wandb"
    good = struct.pack("<IHB", zlib.crc32(b"\x01data"), 4, 1) + b"data"
    file.write_bytes(b":W&B\xe1\xbe\x00" + good.replace(b"data", b"DATA"))
    with pytest.raises(SpecError, match="is damaged at byte 7"):
        list(read_records(file))
    file.write_bytes(b"something else")
    with pytest.raises(SpecError, match="is not the file of a W&B run"):
        list(read_records(file))


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="holds no W&B run"):
        read(tmp_path)


def test_keys_of_the_configuration_are_shown_and_can_be_mapped(tmp_path: Path) -> None:
    record(tmp_path, {"seed": 1, "lr": "1e-6", "size": 0.5, "opt": {"name": "adamw"}}, [{"r": 0.5}, {"r": 0.6}])
    log = read(tmp_path, "model=Q", maps=("r=reward",))
    assert (log.config, set(log.unused_config)) == ((("seed", "seed = 1"),), {"lr", "size", "opt.name"})
    maps = ("r=reward", "config.lr=learning_rate", "config.size=num_params:billions", "config.seed=-")
    run = run_of(mapped := read(tmp_path, "model=Q", maps=maps))
    assert (run.learning_rate, run.model.num_params, run.seed) == (1e-6, 500_000_000, None)
    assert set(mapped.unused_config) == {"seed", "opt.name"}


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("config.name=learning_rate", "config.name: 'adamw' is not a number, which learning_rate is."),
        ("config.name=reward", "reward differs from step to step"),
        ("config.nam=algorithm", "has no column 'config.nam'. Did you mean 'config.name'?"),
    ],
)
def test_a_key_of_the_configuration_that_cannot_be_the_field_is_refused(
    tmp_path: Path, argument: str, said: str
) -> None:
    record(tmp_path, {"name": "adamw"}, [{"r": 0.5}, {"r": 0.6}])
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "model=Q", maps=("r=kl", argument))
    assert said in str(caught.value)


@pytest.mark.parametrize(("value", "word"), [("inf", "infinite"), ("nan", "not a number")])
def test_what_is_no_measurement_is_missing_and_told(tmp_path: Path, value: str, word: str) -> None:
    record(tmp_path, TRL_CONFIG, [{"train/global_step": 1, "train/reward": 0.5, "train/kl": float(value)}])
    log = read(tmp_path)
    assert run_of(log).steps[0].kl is None
    assert f"step 1: train/kl is {word}, which is kept as missing" in log.notes
