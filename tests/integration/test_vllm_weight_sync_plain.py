"""Does plain TRL with a colocated vLLM engine on a CPU sample from the weights that it trains?

One subprocess trains the same tiny model several times (vLLM takes longer to import than all of that) and writes
down what it saw; the tests read it. Run as a script, this file is that subprocess.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from db.errors import EngineError, EnvironmentProblem
from workers.generation.vllm_cpu_weights import check_weights_are_plain
from workers.generation.vllm_engine import (
    LOGP_DIFFERENCE,
    MAX_LOGP_DIFFERENCE,
    check_weight_sync,
    engine_seed,
    importance_sampling_settings,
    installed_build,
    own_rendezvous,
    process_environment,
    shut_down_engine,
    trial_engine,
)

REPOSITORY = Path(__file__).parents[2]
GROUP_SIZE = 8
NUM_UPDATES = 6
NO_CORRECTION: dict[str, object] = {"vllm_importance_sampling_correction": False}


def cpu_build_is_installed() -> bool:
    try:
        return installed_build() == "cpu"
    except EnvironmentProblem:
        return False


with_engine = pytest.mark.skipif(not cpu_build_is_installed(), reason="needs rlsweep[vllm-cpu]")


# -- the subprocess ----------------------------------------------------------------------------------------------


def save_tiny_model(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    words = ["<pad>", "<eos>", *(f"w{i}" for i in range(62))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.1,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def build_trainer(folder: Path, seed: int, settings: Mapping[str, object], rollouts: list[list[int]]) -> Any:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    def share_of_even_tokens(completion_ids: list[list[int]], **columns: object) -> list[float]:
        rollouts.extend(completion_ids)
        return [sum(token % 2 == 0 for token in tokens) / len(tokens) for tokens in completion_ids]

    prompts = [f"w{i % 60} w{7 * i % 60} w{11 * i % 60}" for i in range(64)]
    arguments = GRPOConfig(
        output_dir=str(folder / "output"),
        seed=seed,
        learning_rate=1e-3,
        per_device_train_batch_size=GROUP_SIZE,
        gradient_accumulation_steps=1,
        steps_per_generation=2,
        num_generations=GROUP_SIZE,
        max_completion_length=12,
        max_steps=NUM_UPDATES,
        shuffle_dataset=False,
        use_vllm=True,
        vllm_mode="colocate",
        vllm_max_model_length=64,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        model_init_kwargs={"dtype": "float32"},
        **settings,
    )
    return GRPOTrainer(
        model=str(folder),
        reward_funcs=share_of_even_tokens,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=PreTrainedTokenizerFast.from_pretrained(folder),
    )


def train(folder: Path, seed: int, settings: Mapping[str, object] | None = None, stale: bool = False) -> dict[str, Any]:
    rollouts: list[list[int]] = []
    with trial_engine(seed=seed, dtype="float32"):
        trainer = build_trainer(folder, seed, settings or importance_sampling_settings("none", cap=3.0), rollouts)
    if stale:
        trainer.vllm_generation.sync_weights = trainer.vllm_generation.llm.reset_prefix_cache
    trainer.train()
    shut_down_engine(trainer)
    digest = hashlib.sha256()
    for parameter in trainer.model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return {
        "rollouts": rollouts,
        "differences": [row[LOGP_DIFFERENCE] for row in trainer.state.log_history if LOGP_DIFFERENCE in row],
        "updates": trainer.state.global_step,
        "weights": digest.hexdigest(),
    }


def train_without_plugin(folder: Path) -> dict[str, str]:
    """What TRL meets when the plugin is switched off, and what our guard says about that engine."""
    import vllm.plugins
    from trl.generation import vllm_generation

    os.environ["VLLM_PLUGINS"] = ""
    llm = vllm_generation.LLM
    vllm_generation.LLM = partial(llm, enforce_eager=True, kv_cache_memory_bytes=2**26)  # or it compiles for 30 s
    with own_rendezvous():
        trainer = build_trainer(folder, 0, NO_CORRECTION, rollouts=[])
    vllm_generation.LLM = llm
    model = trainer.vllm_generation.llm.llm_engine.model_executor.driver_worker.model_runner.model
    seen = {}
    for name, attempt in (("sync", trainer.train), ("guard", lambda: check_weights_are_plain(model))):
        try:
            attempt()
        except Exception as error:
            seen[name] = f"{type(error).__name__}: {error}"
    shut_down_engine(trainer)
    del os.environ["VLLM_PLUGINS"]
    vllm.plugins.plugins_loaded = False  # each later engine of this process may load them
    return seen


def observe(folder: Path) -> None:
    save_tiny_model(folder)
    seen: dict[str, Any] = {
        "without_plugin": train_without_plugin(folder),  # first: the plugin's work lasts as long as the process
        "one": train(folder, seed=1),
        "one_again": train(folder, seed=1),
        "two": train(folder, seed=2),
        "uncorrected": train(folder, seed=1, settings=NO_CORRECTION),
        "stale": train(folder, seed=1, stale=True),
    }
    (folder / "seen.json").write_text(json.dumps(seen))


# -- the tests ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("weight_sync")
    environment = os.environ | process_environment(cpus=1) | {"HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    run = subprocess.run(
        [sys.executable, __file__, str(folder)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads((folder / "seen.json").read_text())


@pytest.mark.vllm
@with_engine
def test_engine_and_policy_agree_to_float32_rounding_after_every_update(seen: Any) -> None:
    for name in ("one", "two"):
        assert seen[name]["updates"] == NUM_UPDATES
        assert len(seen[name]["differences"]) == NUM_UPDATES // 2  # one measurement a block of two updates
        assert max(seen[name]["differences"]) < 1e-5
        for difference in seen[name]["differences"]:
            check_weight_sync({LOGP_DIFFERENCE: difference}, "float32")


@pytest.mark.vllm
@with_engine
def test_an_engine_that_never_syncs_is_caught_in_the_first_block_after_an_update(seen: Any) -> None:
    before, *after = seen["stale"]["differences"]
    check_weight_sync({LOGP_DIFFERENCE: before}, "float32")
    for difference in after:
        with pytest.raises(EngineError, match="stale weights"):
            check_weight_sync({LOGP_DIFFERENCE: difference}, "float32")


@pytest.mark.vllm
@with_engine
def test_seeds_decide_the_rollouts(seen: Any) -> None:
    assert seen["one"]["rollouts"] == seen["one_again"]["rollouts"]
    assert seen["one"]["weights"] == seen["one_again"]["weights"]
    first_block = 2 * GROUP_SIZE
    assert seen["one"]["rollouts"][:first_block] != seen["two"]["rollouts"][:first_block]


@pytest.mark.vllm
@with_engine
def test_siblings_in_a_group_differ(seen: Any) -> None:
    rollouts = seen["one"]["rollouts"]
    for start in range(0, len(rollouts), GROUP_SIZE):
        siblings = {tuple(tokens) for tokens in rollouts[start : start + GROUP_SIZE]}
        assert len(siblings) > GROUP_SIZE // 2


@pytest.mark.vllm
@with_engine
def test_measuring_without_correcting_leaves_the_weights_as_they_were_to_the_last_bit(seen: Any) -> None:
    assert seen["uncorrected"]["differences"] == []
    assert seen["uncorrected"]["weights"] == seen["one"]["weights"]
    assert seen["stale"]["weights"] != seen["one"]["weights"]


@pytest.mark.vllm
@with_engine
def test_without_the_plugin_the_first_sync_fails_and_the_guard_names_the_cause(seen: Any) -> None:
    assert "weight_loader" in seen["without_plugin"]["sync"]
    assert seen["without_plugin"]["guard"].startswith("EngineError")
    assert "rlsweep_cpu_weights" in seen["without_plugin"]["guard"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weight_sync_is_judged_by_the_threshold_of_the_dtype(dtype: Any) -> None:
    threshold = MAX_LOGP_DIFFERENCE[dtype]
    check_weight_sync({LOGP_DIFFERENCE: threshold}, dtype)
    for wrong in (2 * threshold, float("nan"), float("inf")):
        with pytest.raises(EngineError, match=f"{threshold:.2g}"):
            check_weight_sync({LOGP_DIFFERENCE: wrong}, dtype)


def test_metrics_without_the_measurement_are_an_error_and_not_a_pass() -> None:
    with pytest.raises(EngineError, match="importance_sampling_settings"):
        check_weight_sync({"loss": 0.0}, "float32")


def test_engine_seeds_differ_between_trials_and_between_ranks() -> None:
    seeds = {engine_seed(trial_seed, rank) for trial_seed in range(50) for rank in range(8)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_process_meets_itself_on_loopback_alone() -> None:
    names = ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_USE_AGENT_STORE")
    before = {name: os.environ.get(name) for name in names}
    with own_rendezvous() as port, own_rendezvous() as other:
        assert port != other
        assert os.environ["MASTER_PORT"] == str(other)
        listening = [each.laddr for each in psutil.Process().net_connections("inet") if each.status == "LISTEN"]
        assert {("127.0.0.1", port), ("127.0.0.1", other)} <= set(map(tuple, listening))
        os.environ["LOCAL_RANK"] = "0"  # as TRL does
    assert {name: os.environ.get(name) for name in names} == before


def test_processes_started_by_a_launcher_keep_its_rendezvous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("MASTER_PORT", "23456")
    with own_rendezvous() as port:
        assert port == 23456
    assert os.environ["MASTER_PORT"] == "23456"


def message_of_installed_build(packages: Path) -> str:
    """What `installed_build` says in an interpreter whose only third-party packages are those in a folder."""
    code = f"""
import sys
sys.path[:0] = [{str(packages)!r}, {str(REPOSITORY)!r}]
from db.errors import EnvironmentProblem
from workers.generation.vllm_engine import installed_build
try:
    print(installed_build())
except EnvironmentProblem as problem:
    print(problem)
"""
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_a_missing_vllm_names_both_extras(tmp_path: Path) -> None:
    message = message_of_installed_build(tmp_path)
    assert "rlsweep[vllm] " in message
    assert "rlsweep[vllm-cpu] " in message


def test_a_cuda_build_of_vllm_without_a_gpu_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "vllm-0.31.0.dist-info").mkdir()
    (tmp_path / "vllm-0.31.0.dist-info" / "METADATA").write_text("Name: vllm\nVersion: 0.31.0\n")
    (tmp_path / "torch.py").write_text(
        "__version__ = '2.13.0'\nclass cuda:\n    is_available = staticmethod(lambda: False)\n"
    )
    assert "sees no GPU" in message_of_installed_build(tmp_path)


if __name__ == "__main__":
    observe(Path(sys.argv[1]))
