"""Exact sizes from configurations alone: against published totals, and against transformers' own models."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestrator.planning.architectures import (
    Architecture,
    UnknownModelError,
    architecture_of,
    from_config,
    from_folder,
    from_hub,
    known_architecture,
    known_models,
)
from workers.spec import MadeModel, Model, WarmUp

# What the hub publishes for each (parameters in the safetensors files, tied embeddings once).
PUBLISHED_TOTALS = {
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-3B": 3_085_938_688,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "Qwen/Qwen2.5-14B": 14_770_033_664,
    "Qwen/Qwen2.5-32B": 32_763_876_352,
    "Qwen/Qwen2.5-72B": 72_706_203_648,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-1.7B": 1_720_574_976,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mistral-7B-v0.3": 7_248_023_552,
    "mistralai/Mistral-Nemo-Base-2407": 12_247_782_400,
    "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
}
# One of each family, with everything in it that changes a count.
SMALL: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {"head_dim": 24, "attention_bias": True},
    "qwen3_moe": {
        "head_dim": 24,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 40,
        "mlp_only_layers": [],
    },
    "llama": {"attention_bias": True, "mlp_bias": True, "head_dim": 8},
    "mistral": {"sliding_window": None, "head_dim": 24},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
}
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 59,
}


def known(name: str) -> Architecture:
    architecture = known_architecture(name)
    assert architecture is not None
    return architecture


def counted_by_transformers(config: object) -> tuple[int, int]:
    """Non-embedding and total parameters of a model built without memory."""
    import torch
    from transformers import AutoModelForCausalLM

    from workers.models.model_store import count_parameters

    with torch.device("meta"):
        return count_parameters(AutoModelForCausalLM.from_config(config))


def test_every_known_model_has_a_published_total() -> None:
    sizes = {json.dumps(config) for config in known_models().values()}
    assert {json.dumps(known_models()[name]) for name in PUBLISHED_TOTALS} == sizes


@pytest.mark.parametrize("name", PUBLISHED_TOTALS)
def test_a_known_model_has_the_parameters_that_are_published(name: str) -> None:
    assert known(name).total_params == PUBLISHED_TOTALS[name]


@pytest.mark.parametrize("name", PUBLISHED_TOTALS)
def test_a_known_model_has_the_parameters_that_transformers_builds(name: str) -> None:
    from transformers import AutoConfig

    entry = known_models()[name]
    config = AutoConfig.for_model(**entry)
    architecture = known(name)
    assert counted_by_transformers(config) == (architecture.non_embedding_params, architecture.total_params)


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("family", SMALL)
def test_a_folder_that_transformers_wrote_is_counted_as_transformers_counts_it(
    family: str, is_tied: bool, tmp_path: Path
) -> None:
    from transformers import AutoConfig

    config = AutoConfig.for_model(family, **SIZES, **SMALL[family], tie_word_embeddings=is_tied)
    config.save_pretrained(tmp_path)
    architecture = from_folder(tmp_path)
    assert architecture.has_tied_embeddings == is_tied
    assert counted_by_transformers(config) == (architecture.non_embedding_params, architecture.total_params)


def test_a_model_with_experts_uses_only_some_of_its_parameters_for_a_token() -> None:
    architecture = known("Qwen/Qwen3-30B-A3B")
    idle_experts = 128 - 8
    assert architecture.total_params - architecture.active_params == 48 * idle_experts * 3 * 2048 * 768
    assert architecture.active_params / 1e9 == pytest.approx(3.35, abs=0.01)


def test_a_dense_model_uses_all_of_its_parameters() -> None:
    assert known("Qwen/Qwen2.5-7B").active_params == known("Qwen/Qwen2.5-7B").total_params


def test_only_mistrals_first_version_has_a_sliding_window() -> None:
    windows = {name: known(name).shape.sliding_window for name in PUBLISHED_TOTALS}
    assert {name: window for name, window in windows.items() if window} == {"mistralai/Mistral-7B-v0.1": 4096}


def test_a_model_made_here_is_counted_as_it_will_be_made() -> None:
    from transformers import Qwen2Config

    from workers.tasks.vocabulary import build_tokenizer

    made = MadeModel(
        hidden_size=64, intermediate_size=192, num_attention_heads=4, num_key_value_heads=2,
        warm_up=WarmUp(learning_rate=0.002),
    )  # fmt: skip
    sizes = made.model_dump(include={"hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"})
    config = Qwen2Config(**sizes, num_hidden_layers=2, vocab_size=len(build_tokenizer()), tie_word_embeddings=True)
    architecture = architecture_of(Model(name="made", made=made))
    assert counted_by_transformers(config) == (architecture.non_embedding_params, architecture.total_params)


def test_a_path_is_a_folder_and_a_name_is_the_hubs_whatever_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "Qwen" / "Qwen2.5-7B"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **SIZES}))
    monkeypatch.chdir(tmp_path)
    assert architecture_of(Model(name="mine", source="./Qwen/Qwen2.5-7B")).family == "llama"
    assert architecture_of(Model(name="hub", source="Qwen/Qwen2.5-7B")).family == "qwen2"


CONFIG = {"model_type": "qwen2", **SIZES}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "gpt2"},
            "here: model_type is 'gpt2', and only these are counted: qwen2, qwen3, qwen3_moe, llama, mistral, mixtral.",
        ),
        ({"hidden_size": None, "vocab_size": None}, "here: hidden_size, vocab_size missing, so the model's size is "),
        (
            {"model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2},
            "here: moe_intermediate_size missing",
        ),
        (
            {"model_type": "qwen3_moe", **SMALL["qwen3_moe"], "decoder_sparse_step": 2},
            "here: some layers have experts and some have not (mlp_only_layers, decoder_sparse_step); such models",
        ),
        (
            {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2},
            "here: some layers have a sliding window and some have not (max_window_layers); such models",
        ),
    ],
)
def test_a_configuration_that_cannot_be_counted_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        from_config(CONFIG | changes, origin="here")
    assert str(caught.value).startswith(message)


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"has no config\.json, so it holds no model"):
        from_folder(tmp_path)


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UnknownModelError, match=r"config\.json cannot be read \(Expecting property name"):
        from_folder(tmp_path)


class _Hub(BaseHTTPRequestHandler):
    """Serves one model's configuration under the hub's path."""

    def do_GET(self) -> None:
        found = self.path == "/org/model/resolve/main/config.json"
        body = json.dumps(CONFIG).encode() if found else b"no such model"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A hub on this machine; huggingface_hub asks it instead of its own."""
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    from_hub.cache_clear()
    yield url
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("hub")
def test_a_model_is_read_from_the_hub() -> None:
    assert architecture_of(Model(name="theirs", source="org/model")) == from_config(CONFIG, origin="here")


@pytest.mark.usefixtures("hub")
def test_an_unknown_name_brings_the_nearest_known_ones_and_a_way_out() -> None:
    with pytest.raises(UnknownModelError) as caught:
        architecture_of(Model(name="typo", source="Qwen/Qwen2.5-7b-Instuct"))
    message = str(caught.value)
    assert message.startswith("model 'Qwen/Qwen2.5-7b-Instuct' is not known offline, and its config.json could not be")
    assert "Nearest known: Qwen/Qwen2.5-7B-Instruct, " in message
    assert message.endswith("or give the path of a folder that holds the model's config.json.")


def test_a_hub_that_does_not_answer_is_not_waited_for(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    closed = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", closed)
    with pytest.raises(UnknownModelError, match=r"could not be fetched: .*None of the \d+ models known here is near\."):
        from_hub("someone/something-else-entirely")
