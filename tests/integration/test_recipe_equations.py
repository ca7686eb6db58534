"""Advantages, loss and KL of real updates against the equations, written down here a second time.

A block of a tiny model is trained on as a trial would; what TRL was given and what it returned is recorded, and
computed again from the published formulas with nothing of TRL.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny_training import save_tiny_model, tiny_spec, tiny_training
from workers.spec import TrialSpec

PAPER = {
    "group_size": 4, "prompts_per_step": 8, "updates_per_step": 4, "dual_clip": 3.0, "kl_coefficient": 0.001,
}  # fmt: skip


@dataclass
class Pass:
    """One forward pass of training: the weights it saw, what it was given, and the loss that it returned."""

    weights: dict[str, Tensor]
    inputs: dict[str, Any]
    loss: float


@dataclass
class Run:
    spec: TrialSpec
    model: Any
    passes: list[Pass]
    rewards: list[Tensor]  # one tensor of all completions for each block
    logs: list[dict[str, float]]


def recorded_run(tmp_path: Path, blocks: int = 2, **changes: Any) -> Run:
    folder = save_tiny_model(tmp_path / "model")
    spec = tiny_spec(folder, **changes)
    rewards: list[Tensor] = []
    passes: list[Pass] = []

    def share_of_digits(completions: Any, **_: Any) -> list[float]:
        values = [sum(letter in "01234" for letter in turn[-1]["content"]) / 6 for turn in completions]
        rewards.append(torch.tensor(values))
        return values

    training = tiny_training(spec, folder, tmp_path / "out", blocks=blocks, reward=share_of_digits)
    compute = training.trainer._compute_loss

    def recording(model: Any, inputs: dict[str, Any]) -> Tensor:
        loss: Tensor = compute(model, inputs)
        passes.append(Pass(training.weights, dict(inputs), loss.item()))
        return loss

    training.trainer._compute_loss = recording
    training.trainer.train()
    return Run(spec, training.trainer.model, passes, rewards, training.recorder.logs)


def token_logprobs(run: Run, each: Pass) -> Tensor:
    """log p of every completion token under the weights of that pass, from full logits."""
    run.model.load_state_dict(each.weights)
    ids = torch.cat([each.inputs["prompt_ids"], each.inputs["completion_ids"]], dim=1)
    mask = torch.cat([each.inputs["prompt_mask"], each.inputs["completion_mask"]], dim=1)
    length = each.inputs["completion_ids"].shape[1]
    with torch.no_grad():
        logits = run.model(input_ids=ids, attention_mask=mask).logits[:, -length - 1 : -1]
    logits = logits / run.spec.sampling.temperature
    return torch.log_softmax(logits, dim=-1).gather(-1, each.inputs["completion_ids"].unsqueeze(-1)).squeeze(-1)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The paper's recipe, scaled down, with a learning rate at which ratios leave the clip range."""
    return recorded_run(
        tmp_path_factory.mktemp("paper"),
        algorithm=PAPER,
        optimizer={"learning_rate": 0.05, "weight_decay": 0.1},
        execution={"micro_batch": 4},
    )


def test_advantages_are_rewards_less_their_group_s_mean_over_its_deviation(paper: Run) -> None:
    for block, rewards in enumerate(paper.rewards):
        groups = rewards.view(-1, 4)
        expected = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)
        of_block = paper.passes[block * 8 : (block + 1) * 8]
        found = torch.cat([each.inputs["advantages"] for each in of_block])
        assert torch.allclose(found, expected.flatten(), atol=1e-6, rtol=0)


def test_updates_take_the_block_s_prompts_in_order(paper: Run) -> None:
    prompts = torch.cat([each.inputs["prompt_ids"] for each in paper.passes[:8]])
    assert (prompts.view(8, 4, -1) == prompts.view(8, 4, -1)[:, :1]).all(), "four completions of each prompt together"


def test_old_log_probabilities_are_those_of_the_weights_that_sampled(paper: Run) -> None:
    for block in range(2):
        first = paper.passes[block * 8]
        for each in paper.passes[block * 8 : (block + 1) * 8]:
            sampled = token_logprobs(paper, Pass(first.weights, each.inputs, 0.0))
            difference = (sampled - each.inputs["old_per_token_logps"]) * each.inputs["completion_mask"]
            assert difference.abs().max() < 1e-5


def test_the_loss_of_every_pass_is_that_of_the_equations(paper: Run) -> None:
    ratios = []
    for number, each in enumerate(paper.passes):
        logprobs = token_logprobs(paper, each)
        old, reference = each.inputs["old_per_token_logps"], each.inputs["ref_per_token_logps"]
        advantage = each.inputs["advantages"].unsqueeze(1)
        ratio = torch.exp(logprobs - old)
        # PPO's clipping, and for negative advantages the dual clip of Ye et al. 2020 (arXiv 1912.09729), c = 3.
        surrogate = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        surrogate = torch.where(advantage < 0, torch.maximum(surrogate, 3.0 * advantage), surrogate)
        # Schulman's k3, without the ratio as a factor.
        log_r = reference - logprobs
        loss = -surrogate + 0.001 * (torch.exp(log_r) - log_r - 1)
        mask = each.inputs["completion_mask"]
        block = paper.passes[number // 8 * 8 : (number // 8 + 1) * 8]
        tokens_of_an_update = sum(one.inputs["completion_mask"].sum() for one in block) / 4
        assert each.loss == pytest.approx(((loss * mask).sum() / tokens_of_an_update).item(), abs=1e-6)
        ratios.append(ratio[mask.bool()])
    assert (torch.cat(ratios) > 3.0).any(), "the dual clip was at work"
    assert (torch.cat(ratios) < 0.8).any()


def test_the_kl_that_is_reported_is_k3_per_token(paper: Run) -> None:
    for update, log in enumerate(paper.logs):
        means = []
        for each in paper.passes[update * 2 : update * 2 + 2]:
            log_r = each.inputs["ref_per_token_logps"] - token_logprobs(paper, each)
            mask = each.inputs["completion_mask"]
            means.append((((torch.exp(log_r) - log_r - 1) * mask).sum() / mask.sum()).item())
        assert log["kl"] == pytest.approx(sum(means) / 2, rel=1e-6)  # TRL takes the mean of its passes' means


def test_leave_one_out_takes_the_others_mean_and_the_kl_off_the_reward(tmp_path: Path) -> None:
    run = recorded_run(
        tmp_path,
        algorithm={
            "name": "rloo", "group_size": 4, "prompts_per_step": 4, "updates_per_step": 2, "baseline": "leave_one_out",
            "advantage_scale": "none", "importance_ratio": "sequence", "aggregation": "sequence_mean",
            "kl_placement": "reward", "kl_coefficient": 0.05,
        },
    )  # fmt: skip
    for block, rewards in enumerate(run.rewards):
        of_block = run.passes[block * 2 : block * 2 + 2]
        old = torch.cat([each.inputs["old_logps"] for each in of_block])
        # The reference is the policy at the start.
        first = [Pass(run.passes[0].weights, each.inputs, 0.0) for each in of_block]
        start = torch.cat([(token_logprobs(run, each) * each.inputs["completion_mask"]).sum(1) for each in first])
        groups = (rewards - 0.05 * (old - start)).view(-1, 4)
        others = (groups.sum(1, keepdim=True) - groups) / 3
        found = torch.cat([each.inputs["advantages"] for each in of_block])
        assert torch.allclose(found, (groups - others).flatten(), atol=1e-5, rtol=0)
    for each in run.passes:
        sequence = (token_logprobs(run, each) * each.inputs["completion_mask"]).sum(1)
        ratio = torch.exp(sequence - each.inputs["old_logps"])
        advantage = each.inputs["advantages"]
        loss = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        assert each.loss == pytest.approx(loss.item(), abs=1e-6)
