"""What TRL is told for the published recipes: every value of its configuration, as a file to be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from orchestrator.sweepfile.loading import load_sweep
from workers.spec import TrialSpec
from workers.training.trl_losses import trl_trainer, unlike_trl
from workers.training.trl_settings import trl_settings

GOLDEN = Path(__file__).parents[1] / "golden"
# What the machine decides, or the name of a folder.
_NOT_OF_THE_RECIPE = {"output_dir", "logging_dir", "project", "trackio_space_id", "generation_batch_size"}

SWEEP = """
name: recipe
question: What is TRL told?
models: {{tiny: {{source: Qwen/Qwen2.5-0.5B, revision: main, dtype: float32}}}}
base:
  preset: {preset}
  model: tiny
  data: {{train: Artemis0430/GURU-MATH-CL, revision: main, total_prompts: 51200, tau: 1}}
  algorithm: {algorithm}
  seed: 1
budgets: {{unit: steps, at: [100]}}
evaluations: [{{benchmark: gsm8k, method: sampled, samples: 1}}]
resources: {{gpus: 4, micro_batch: 8}}
"""


def spec_of(
    tmp_path: Path, *, preset: str = "paper", algorithm: str = "grpo", overrides: tuple[str, ...] = ()
) -> TrialSpec:
    file = tmp_path / "recipe.yaml"
    file.write_text(SWEEP.format(preset=preset, algorithm=algorithm))
    (trial,) = load_sweep(file, list(overrides)).trials
    return trial.spec


def settings_of(spec: TrialSpec) -> dict[str, object]:
    return trl_settings(
        spec, engine="vllm", num_steps=100, max_prompt_tokens=2048, output_folder=Path("attempt"), on_cpu=False
    )


@pytest.mark.parametrize("preset", ["paper@1", "robust@1"])
def test_every_value_that_trl_is_configured_with_is_in_the_golden_file(tmp_path: Path, preset: str) -> None:
    from trl import GRPOConfig

    resolved = GRPOConfig(**settings_of(spec_of(tmp_path, preset=preset))).to_dict()
    resolved = {name: value for name, value in resolved.items() if name not in _NOT_OF_THE_RECIPE}
    golden = GOLDEN / f"{preset}.trl.yaml"
    if os.environ.get("RLSWEEP_RENEW_EXPECTED"):
        golden.write_text(yaml.safe_dump(resolved, sort_keys=True))
    assert resolved == yaml.safe_load(golden.read_text())


def test_the_paper_spends_a_block_of_4096_completions_in_four_updates_of_1024(tmp_path: Path) -> None:
    settings = settings_of(spec_of(tmp_path))
    per_pass = 4 * settings["per_device_train_batch_size"]  # type: ignore[operator]
    assert per_pass * settings["gradient_accumulation_steps"] == 1024
    assert per_pass * settings["steps_per_generation"] == 4096
    assert settings["max_steps"] == 400


def test_the_paper_s_loss_is_what_its_scripts_say(tmp_path: Path) -> None:
    settings = settings_of(spec_of(tmp_path))
    said = {
        "loss_type": "dapo", "scale_rewards": "group", "epsilon": 0.2, "epsilon_high": 0.2, "delta": 3.0,
        "beta": 0.001, "use_bias_correction_kl": False, "shuffle_dataset": False, "learning_rate": 1e-6,
        "weight_decay": 0.1, "max_grad_norm": 1.0, "temperature": 1.0, "top_p": 1.0, "max_completion_length": 4096,
        "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 0, "vllm_importance_sampling_clip_max": 1.0,
    }  # fmt: skip
    assert {name: settings[name] for name in said} == said


def test_the_global_batch_is_the_same_for_any_number_of_processes_and_any_micro_batch(tmp_path: Path) -> None:
    for processes in (1, 2, 8):
        for micro_batch in (1, 4, 32):
            spec = spec_of(tmp_path, overrides=(f"resources.micro_batch={micro_batch}", f"resources.gpus={processes}"))
            settings = trl_settings(
                spec, engine="vllm", num_steps=1, max_prompt_tokens=9, output_folder=Path("x"), on_cpu=False
            )
            passes = settings["per_device_train_batch_size"] * processes
            assert passes * settings["gradient_accumulation_steps"] == 1024, (processes, micro_batch)
            assert passes * settings["steps_per_generation"] == 4096, (processes, micro_batch)


@pytest.mark.parametrize(
    ("algorithm", "override", "reason"),
    [
        ("rloo", "loss.kl_placement=loss", "loss.kl_placement loss does not go with loss.baseline leave_one_out"),
        ("rloo", "loss.advantage_scale=group", "loss.advantage_scale group does not go with"),
        ("rloo", "loss.dual_clip=3", "loss.dual_clip 3.0 does not go with loss.baseline leave_one_out, which has none"),
        ("grpo", "loss.kl_placement=reward", "goes with loss.baseline leave_one_out"),
        ("cispo", "loss.aggregation=fixed_length", "surrogate cispo goes with loss.aggregation token_mean"),
        ("sapo", "loss.dual_clip=3", "loss.dual_clip 3 means nothing beside loss.surrogate sapo"),
    ],
)
def test_a_recipe_between_two_trainers_is_refused_with_the_reason(
    tmp_path: Path, algorithm: str, override: str, reason: str
) -> None:
    spec = spec_of(tmp_path, algorithm=algorithm, overrides=(override,))
    (found,) = unlike_trl(spec.algorithm)
    assert reason in found


def test_leave_one_out_is_the_other_trainer(tmp_path: Path) -> None:
    assert trl_trainer(spec_of(tmp_path, algorithm="rloo").algorithm) == "rloo"
    assert trl_trainer(spec_of(tmp_path, algorithm="dapo").algorithm) == "grpo"
