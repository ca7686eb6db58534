"""Trials whose policy calls tools while it answers: the calls happen, and what they return is read, not trained on."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch

from db.database import open_database, resolve_url
from db.errors import SpecError
from db.reader import Reader
from db.states import AttemptState
from db.store import claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from tests.tiny_training import Training, save_text_model, tiny_spec, tiny_training
from tests.tool_caller import OBSERVATION, Counter, Lesson, chat_template, save_tool_caller, tool_tokenizer
from workers.environments.calculator import calculator
from workers.environments.python_program import python
from workers.environments.tool_calling import check_tool_calling
from workers.provenance import this_process
from workers.training.policies import load_tokenizer
from workers.training.reward_function import final_answer
from workers.trial import Folders, run_trial

COUNTER = "tests.tool_caller:Counter"
LESSONS = {
    "calculator": Lesson([calculator], {"name": "calculator", "arguments": {"expression": "2+3"}}, "5"),
    "python": Lesson([python], {"name": "python", "arguments": {"code": "print(6*7)"}}, "42"),
    "add": Lesson([Counter().add], {"name": "add", "arguments": {"amount": 2}}, "2", OBSERVATION),
}
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "calculator": {"tools": ["calculator"], "max_turns": 1},
    "python": {"tools": ["python"], "max_turns": 1},
    "add": {"factory": COUNTER, "max_turns": 1},
}
LONGEST = 128

SWEEP = """
name: tools
question: Does a trial with tools go on where it was?
models: {{caller: {{source: {model}, dtype: float32}}}}
base:
  model: caller
  data: {{task: affine-lookup, heldout_problems: 4}}
  environment: {{tools: [calculator], max_turns: 2}}
  prompts_per_step: 4
  group_size: 4
  updates_per_step: 2
  seed: 1
  optimizer: {{learning_rate: 0.001}}
  generation: {{engine: transformers, max_completion_tokens: 128}}
axes: {{}}
budgets: {{unit: steps, at: [3]}}
evaluations: [{{benchmark: heldout, method: sampled, samples: 1, at: budgets}}]
checkpoints: {{every_steps: 1}}
resources: {{gpus: 0}}
"""


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tool_caller(tmp_path_factory.mktemp("model") / "caller", list(LESSONS.values()))


def correct(completions: Any, **_: Any) -> list[float]:
    """A verdict that differs within nearly every group: whether the answer is a small digit."""
    return [float(final_answer(turns)[-2:-1] in [*"01234"]) for turns in completions]


def trained(folder: Path, output: Path, environment: dict[str, Any], **changes: Any) -> tuple[Training, list[Any]]:
    """A trainer that has taken a block, and the block."""
    sections: dict[str, Any] = {
        "environment": environment,
        "sampling": {"max_completion_tokens": LONGEST},
        "algorithm": {"group_size": 4, "prompts_per_step": 4, **changes.pop("algorithm", {})},
        "optimizer": {"learning_rate": 1e-4},
    }
    training = tiny_training(tiny_spec(folder, **sections), folder, output, blocks=1, reward=correct, **changes)
    blocks: list[Any] = []
    compute = training.trainer._next_block
    training.trainer._next_block = lambda: blocks.append(compute()) or blocks[-1]
    training.trainer.train()
    return training, blocks


def read_by_the_policy(training: Training, block: dict[str, Any]) -> list[str]:
    """What stands among the completions and is not trained on."""
    texts = []
    for ids, mask in zip(block["completion_ids"].tolist(), block["tool_mask"].tolist(), strict=True):
        stretches = groupby(zip(ids, mask, strict=True), key=lambda pair: pair[1])
        texts += [
            training.trainer.processing_class.decode([i for i, _ in ids]) for masked, ids in stretches if not masked
        ]
    return texts


@pytest.mark.parametrize("tool", LESSONS)
def test_tools_are_called_and_what_they_return_is_read_but_not_trained_on(
    tool: str, caller: Path, tmp_path: Path
) -> None:
    training, (block,) = trained(caller, tmp_path, ENVIRONMENTS[tool])
    (log,) = training.recorder.logs
    assert math.isfinite(log["loss"])
    assert log["grad_norm"] > 0
    observed = training.observer
    assert observed.tool_calls >= 4, "of 16 completions"
    assert observed.tool_calls == round(16 * log["tools/call_frequency"])
    result = (
        f"<|im_start|>user\n<tool_response>\n{LESSONS[tool][2]}\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    read = read_by_the_policy(training, block)
    assert sum(result in text for text in read) >= 4
    assert all("<tool_response>" in text for text in read)
    # Tokens: what was read counts as prompt, what was drawn as completion, each once.
    masks = block["completion_mask"] * block["tool_mask"]
    assert [c for _, c in observed.trained_lengths] == masks.sum(1).tolist()
    whole = (block["prompt_mask"].sum(1) + block["completion_mask"].sum(1)).tolist()
    assert [p + c for p, c in observed.trained_lengths] == whole
    assert max(c for _, c in observed.lengths) <= LONGEST
    # The turns of the engine: everybody's first, and those that had called.
    (drawn,) = observed.draws
    assert len(drawn.turns[0]) == 16
    assert 4 <= len(drawn.turns[1]) <= observed.tool_calls
    assert len(drawn.turns) == 2, "max_turns is 1"


def test_results_of_tools_have_no_part_in_the_gradient(caller: Path, tmp_path: Path) -> None:
    training, (block,) = trained(caller, tmp_path, ENVIRONMENTS["calculator"])
    trainer = training.trainer
    trainer.model.eval()
    trainer._metrics["train"].clear()

    def gradients(tool_mask: torch.Tensor) -> list[torch.Tensor]:
        trainer.model.zero_grad()
        trainer._compute_loss(trainer.model, block | {"tool_mask": tool_mask}).backward()
        return [each.grad.clone() for each in trainer.model.parameters()]

    def is_same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    block["advantages"] = torch.linspace(-1, 1, 16)
    masked = gradients(block["tool_mask"])
    assert is_same(masked, gradients(block["tool_mask"])), "and the same is the same"
    assert not is_same(masked, gradients(torch.ones_like(block["tool_mask"])))


def test_the_environments_own_reward_is_added_to_the_verdict(caller: Path, tmp_path: Path) -> None:
    training, _ = trained(caller, tmp_path, ENVIRONMENTS["add"])
    (log,) = training.recorder.logs
    assert log["rewards/Counter/mean"] >= 2 * 4 / 16
    assert log["reward"] == pytest.approx(log["rewards/correct/mean"] + log["rewards/Counter/mean"])
    assert OBSERVATION in str(training.trainer._logs["prompt"][0]), "what `reset` returns is part of the prompt"


def test_siblings_differ_and_the_same_seed_draws_the_same(caller: Path, tmp_path: Path) -> None:
    one, again = (
        trained(caller, tmp_path / str(run), ENVIRONMENTS["calculator"])[0].trainer._logs["completion"]
        for run in (1, 2)
    )
    assert list(one) == list(again)
    assert len({str(each) for each in list(one)[:4]}) > 1


def test_calls_that_fail_are_counted_and_told_to_the_policy(caller: Path, tmp_path: Path) -> None:
    training, _ = trained(caller, tmp_path, {"tools": ["calculator"], "max_turns": 3})
    observed = training.observer
    told = [
        turn["content"] for turns in training.trainer._logs["completion"] for turn in turns if turn["role"] == "tool"
    ]
    assert 0 < sum("error" in content for content in told) <= observed.failed_tool_calls < observed.tool_calls
    frequency = training.recorder.logs[0]["tools/failure_frequency"]
    assert frequency == pytest.approx(observed.failed_tool_calls / observed.tool_calls)


def test_groups_with_tools_are_drawn_anew(caller: Path, tmp_path: Path) -> None:
    algorithm = {"dynamic_sampling": True}
    training, (block,) = trained(caller, tmp_path, ENVIRONMENTS["calculator"], algorithm=algorithm)
    assert block["tool_mask"].shape == block["completion_ids"].shape
    assert len(training.observer.lengths) == 4 * training.stream.position
    assert len(training.observer.trained_lengths) == 16
    masks = block["completion_mask"] * block["tool_mask"]
    assert [c for _, c in training.observer.trained_lengths] == masks.sum(1).tolist()


def measured(folder: Path, sweep: Path, *, stops_at: tuple[int, ...]) -> list[Any]:
    folder.mkdir()
    engine = open_database(resolve_url(str(folder / "rlsweep.db")))
    loaded = load_sweep(sweep, [])
    registration = register(engine, loaded)
    trial_id, reader = registration.trial_ids[0], Reader(engine)
    for steps in (*stops_at, 0):
        seen: list[int] = []
        store = claim(engine, trial_id=trial_id, sweep_id=registration.sweep_id, process=this_process())
        outcome = run_trial(
            loaded.trials[0].spec,
            store=store,
            reader=reader,
            folders=Folders(folder / "models", folder / "trial", str(folder / "checkpoints")),
            is_stopping=lambda seen=seen, steps=steps: seen.append(1) or len(seen) == steps,
            on_loss=lambda failure, message: None,
        )
        store.end(outcome)
    assert outcome is AttemptState.SUCCEEDED
    columns = ("step", "prompt_tokens", "completion_tokens", "cumulative_flops", "loss", "reward", "gradient_norm")
    rows = [tuple(row.values()) for row in reader.live_steps(trial_id, columns)]
    engine.dispose()
    return rows


def test_a_resumed_trial_with_tools_equals_one_that_was_not_interrupted(caller: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "tools.yaml"
    sweep.write_text(SWEEP.format(model=caller))
    whole = measured(tmp_path / "whole", sweep, stops_at=())
    assert len(whole) == 3
    assert any(row[-1] > 0 for row in whole), "something was learnt"
    assert measured(tmp_path / "resumed", sweep, stops_at=(1, 1)) == whole


def test_a_model_whose_template_knows_no_tools_is_refused(tmp_path: Path) -> None:
    folder = save_text_model(tmp_path / "model")
    spec = tiny_spec(folder, environment={"tools": ["calculator"]})
    with pytest.raises(SpecError, match="environment: the chat template of tiny cannot write down a tool's call"):
        load_tokenizer(spec, folder)


def test_a_template_that_trl_does_not_know_is_refused() -> None:
    tokenizer = tool_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("created by Alibaba Cloud", "created by somebody")
    with pytest.raises(SpecError, match="TRL cannot read tool calls of it, whose chat template it does not know"):
        check_tool_calling(tokenizer, "it")


@pytest.mark.parametrize("template", ["qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3_1", "llama3_2"])
def test_templates_with_tools_are_taken(template: str) -> None:
    tokenizer = tool_tokenizer()
    tokenizer.chat_template = chat_template(template)
    check_tool_calling(tokenizer, template)
