"""Every recipe that a sweep file can name, trained for two blocks on a tiny model."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.sweepfile.algorithms import NAMES, SETTINGS
from orchestrator.sweepfile.loading import load_sweep
from tests.tiny_training import FAMILIES, Training, save_tiny_model, tiny_spec, tiny_training
from workers.spec import TrialSpec
from workers.training.block_layout import BlockLayout
from workers.training.prompt_stream import PromptStream

SWEEP = """
name: recipes
question: Does every recipe train?
models: {{tiny: {{source: {model}, dtype: float32}}}}
base:
  preset: paper
  model: tiny
  data: {{task: affine-lookup}}
  prompts_per_step: 4
  group_size: 4
  updates_per_step: 2
  seed: 1
  optimizer: {{learning_rate: 0.01}}
  generation: {{engine: transformers, max_completion_tokens: 6}}
axes: {{grid: {{algorithm: [{algorithm}]}}}}
budgets: {{unit: steps, at: [8]}}
evaluations: [{{benchmark: heldout}}]
resources: {{gpus: 0, micro_batch: 4}}
"""


def share_of_digits(completions: Any, **_: Any) -> list[float]:
    """A reward that differs within nearly every group of random text."""
    return [sum(letter in "01234" for letter in turn[-1]["content"]) / 6 for turn in completions]


def rare(completions: Any, **_: Any) -> list[float]:
    """A reward that is 0 throughout many groups of random text."""
    return [float(turn[-1]["content"][:1] in list("0123456789")) for turn in completions]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def trained(
    spec: TrialSpec, tmp_path: Path, *, blocks: int = 2, reward: Any = share_of_digits, **changes: Any
) -> Training:
    assert spec.model.source is not None
    training = tiny_training(spec, Path(spec.model.source), tmp_path / "out", blocks=blocks, reward=reward, **changes)
    training.trainer.train()
    return training


def completions(training: Training) -> list[str]:
    """The text of the newest block's completions."""
    return [turn[-1]["content"] for turn in training.trainer._logs["completion"]]


@pytest.mark.parametrize("algorithm", NAMES)
def test_each_algorithm_trains(algorithm: str, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "recipes.yaml"
    file.write_text(SWEEP.format(model=model, algorithm=algorithm))
    (trial,) = load_sweep(file, []).trials
    training = trained(trial.spec, tmp_path)
    assert len(training.recorder.logs) == 4, "two blocks of two updates"
    assert all(math.isfinite(log["loss"]) and math.isfinite(log["grad_norm"]) for log in training.recorder.logs)
    has_kl = SETTINGS[algorithm].get("loss.kl_coefficient", 0.001) > 0
    assert ("kl" in training.recorder.logs[0]) == has_kl
    if algorithm != "dapo":  # its mask leaves nothing of completions that a random model never ends
        assert training.recorder.logs[0]["grad_norm"] > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tie_word_embeddings", [True, False])
def test_each_family_trains(family: str, tie_word_embeddings: bool, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", family, tie_word_embeddings=tie_word_embeddings)
    training = trained(tiny_spec(folder, algorithm={"updates_per_step": 2, "kl_coefficient": 0.001}), tmp_path)
    assert [log["grad_norm"] > 0 for log in training.recorder.logs] == [True] * 4
    assert training.recorder.logs[2]["kl"] > 0, "the reference stayed where the policy started"


@pytest.mark.parametrize("targets", ["attention", "all_linear"])
def test_adapters_alone_are_trained(targets: str, model: Path, tmp_path: Path) -> None:
    spec = tiny_spec(
        model,
        lora={"rank": 2, "alpha": 4.0, "targets": targets},
        algorithm={"updates_per_step": 2, "kl_coefficient": 0.1},
    )
    training = tiny_training(spec, model, tmp_path / "out", blocks=2, reward=share_of_digits)
    before = training.weights
    training.trainer.train()
    changed = {name for name, value in training.weights.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    adapted = {name.split(".")[-4] for name in changed}
    assert ("gate_proj" in adapted) == (targets == "all_linear")
    # The reference is the model without its adapters, which are nothing before the first update.
    assert training.recorder.logs[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert training.recorder.logs[-1]["kl"] > 0
    assert training.observer.has("reference")


def test_the_same_seed_draws_the_same_and_another_draws_others(model: Path, tmp_path: Path) -> None:
    first, again, other = (
        completions(trained(tiny_spec(model, seed=seed), tmp_path / str(run), blocks=1))
        for run, seed in enumerate([1, 1, 2])
    )
    assert first == again
    assert first != other


def test_siblings_and_blocks_differ(model: Path, tmp_path: Path) -> None:
    def same_prompt(start: int, stop: int) -> list[dict[str, Any]]:
        return [{"prompt": [{"role": "user", "content": "aa(001)"}], "answer": "1"}] * (stop - start)

    still = tiny_spec(model, optimizer={"learning_rate": 1e-12})
    one, two = (
        completions(trained(still, tmp_path / str(blocks), blocks=blocks, stream=PromptStream(same_prompt)))
        for blocks in (1, 2)
    )
    assert len(set(one)) > 12, "of 16 completions of one prompt"
    assert one != two, "the second block's completions are not the first's again"


@pytest.mark.parametrize("micro_batch", [1, 2, 4])
def test_the_micro_batch_changes_nothing_but_rounding(micro_batch: int, model: Path, tmp_path: Path) -> None:
    algorithm = {"updates_per_step": 2, "kl_coefficient": 0.001, "dual_clip": 3.0}
    whole = trained(tiny_spec(model, algorithm=algorithm), tmp_path / "whole")
    split = trained(tiny_spec(model, algorithm=algorithm, execution={"micro_batch": micro_batch}), tmp_path / "split")
    for name in ("loss", "grad_norm"):
        assert [log[name] for log in split.recorder.logs] == pytest.approx(
            [log[name] for log in whole.recorder.logs], abs=2e-5
        ), name
    for name, value in whole.weights.items():
        assert torch.allclose(value, split.weights[name], atol=1e-4), name


def test_groups_without_variance_are_replaced_by_the_next_prompts(model: Path, tmp_path: Path) -> None:
    algorithm = {"dynamic_sampling": True, "updates_per_step": 2, "prompts_per_step": 4, "group_size": 4}
    training = tiny_training(tiny_spec(model, algorithm=algorithm), model, tmp_path / "out", blocks=1, reward=rare)
    blocks = []
    compute = training.trainer._next_block
    training.trainer._next_block = lambda: blocks.append(compute()) or blocks[-1]
    training.trainer.train()
    (block,) = blocks
    groups = block["advantages"].view(4, 4)
    assert (groups.std(1) > 0).all(), "every group teaches"
    drawn, seen = len(training.observer.lengths), training.stream.position
    assert seen > 4, "some were drawn anew"
    assert drawn == 4 * seen
    assert len(training.observer.trained_lengths) == 16
    rewards = [log["reward"] for log in training.recorder.logs if "reward" in log]
    assert 0 < rewards[0] < groups.gt(0).float().mean(), "the reward is that of all that were drawn"


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("updates", [1, 2])
def test_each_process_holds_its_part_of_every_update(processes: int, updates: int) -> None:
    layout = BlockLayout(prompts=16, group_size=2, updates=updates, processes=processes)
    shares = [layout.places_of(process) for process in range(processes)]
    assert sorted(chain.from_iterable(shares)) == list(range(32))
    each = 32 // (processes * updates)
    for update in range(updates):
        together = sorted(place for share in shares for place in share[update * each : (update + 1) * each])
        assert together == list(range(update * 32 // updates, (update + 1) * 32 // updates))
