"""What a model is made of: its shape and its exact parameter counts, from its `config.json`, without its weights.

Families: Qwen2 (and Qwen2.5), Qwen3, Qwen3-MoE, Llama, Mistral, Mixtral. Any other family is refused, and so is a
model whose layers are of different kinds: a count that is nearly right would be taken for right. The best known
models are in `known_models.json` and need no network.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from db.errors import SpecError
from workers.flops import DecoderShape
from workers.spec import MadeModel, Model

_HUB_SECONDS = 10.0
_MADE_VOCABULARY = 57  # of workers.tasks.vocabulary, not imported here because it brings numpy
_REQUIRED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
# What a family's configuration means where it says nothing: the defaults of transformers' configuration classes.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "qwen2": {"use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28},
    "qwen3": {"use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28, "head_dim": 128},
    "qwen3_moe": {"use_sliding_window": False, "sliding_window": 4096},
    "llama": {"num_key_value_heads": None, "sliding_window": None},
    "mistral": {"num_key_value_heads": 8, "sliding_window": 4096},
    "mixtral": {"num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2},
}


class UnknownModelError(SpecError):
    """A model whose configuration cannot be found or is not understood."""


@dataclass(frozen=True)
class Architecture:
    """A decoder's shape and its parameters, counted as transformers counts them: tied embeddings once.

    `active_params` are those that one token uses; without experts it is all of them.
    """

    family: str
    shape: DecoderShape
    has_tied_embeddings: bool
    total_params: int
    non_embedding_params: int
    active_params: int

    @property
    def layer_params(self) -> float:
        """Parameters of one layer, all experts included."""
        return (self.non_embedding_params - self.shape.hidden_size) / self.shape.num_layers


def architecture_of(model: Model) -> Architecture:
    """The architecture of a trial's model: one made here, a folder, a known name, or a hub id, in this order.

    Only the last asks the network. Raises UnknownModelError, which names the nearest known models.
    """
    if model.made is not None:
        return _made(model.made)
    if model.folder is not None:
        return from_folder(model.folder)
    assert model.source is not None
    return known_architecture(model.source) or from_hub(model.source, model.revision)


def known_architecture(name: str) -> Architecture | None:
    """The architecture of a model that is known offline, by its full name; None if it is not."""
    config = known_models().get(name)
    return None if config is None else _from_known(name)


@lru_cache(maxsize=1)
def known_models() -> dict[str, dict[str, Any]]:
    """The models known offline: what their `config.json` says about size, by name."""
    text = files("orchestrator.planning").joinpath("known_models.json").read_text(encoding="utf-8")
    return {name: entry["config"] for entry in json.loads(text) for name in entry["names"]}


@lru_cache(maxsize=256)
def _from_known(name: str) -> Architecture:
    return from_config(known_models()[name], origin=name)


@lru_cache(maxsize=256)
def from_folder(folder: Path) -> Architecture:
    """From a folder with a `config.json`. Raises UnknownModelError where it is missing, broken or not understood."""
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnknownModelError(f"{folder} has no config.json, so it holds no model; correct the path.") from None
    except (OSError, ValueError) as error:
        raise UnknownModelError(f"{file} cannot be read ({error}); copy it anew from where the model is.") from None
    return from_config(config, origin=str(file))


@lru_cache(maxsize=256)
def from_hub(name: str, revision: str | None = None) -> Architecture:
    """From the `config.json` of a hub model: from the hub's local cache, else fetched with one request.

    The hub's own download would try for half a minute where there is no network. Raises UnknownModelError where the
    hub does not answer or has no such model.
    """
    import httpx
    from huggingface_hub import hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import get_session, hf_raise_for_status

    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(cached, str):
            return from_folder(Path(cached).parent)
        url = hf_hub_url(name, "config.json", revision=revision)
        response = get_session().get(url, headers=build_hf_headers(), timeout=_HUB_SECONDS, follow_redirects=True)
        hf_raise_for_status(response)
        config = response.json()
    except (HFValidationError, HfHubHTTPError, OfflineModeIsEnabled, httpx.HTTPError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if isinstance(error, httpx.TransportError):
            reason = f"the hub does not answer ({reason})"
        raise UnknownModelError(unknown_model_message(name, reason)) from error
    return from_config(config, origin=f"{name} (config.json on the hub)")


def unknown_model_message(name: str, reason: str) -> str:
    """What to tell a user whose model is not known here and could not be fetched for `reason`."""
    known = known_models()
    lower = {candidate.lower(): candidate for candidate in known}
    close = [lower[found] for found in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    nearest = f"Nearest known: {', '.join(close)}." if close else f"None of the {len(known)} models known here is near."
    return (
        f"model {name!r} is not known offline, and its config.json could not be fetched: {reason.rstrip('.')}. "
        f"{nearest} Correct the name, or give the path of a folder that holds the model's config.json."
    )


def from_config(config: Mapping[str, Any], *, origin: str) -> Architecture:
    """From the contents of a `config.json`; `origin` says in errors where they came from.

    Raises UnknownModelError for a family or a mixture of layers that is not counted here.
    """
    family = config.get("model_type")
    if family not in _DEFAULTS:
        known = ", ".join(_DEFAULTS)
        raise UnknownModelError(f"{origin}: model_type is {family!r}, and only these are counted: {known}.")
    fields = _DEFAULTS[family] | dict(config)
    if family == "llama" and fields["num_key_value_heads"] is None:
        fields["num_key_value_heads"] = fields.get("num_attention_heads")
    if fields.get("num_experts") is None:  # transformers 5 saves Qwen3-MoE's under Mixtral's name
        fields["num_experts"] = fields.get("num_local_experts")
    experts = ("num_experts", "num_experts_per_tok", "moe_intermediate_size") if family == "qwen3_moe" else ()
    missing = [key for key in (*_REQUIRED, "num_key_value_heads", *experts) if fields.get(key) is None]
    if missing:
        raise UnknownModelError(f"{origin}: {', '.join(missing)} missing, so the model's size is unknown.")
    settings = SimpleNamespace(**fields)
    try:
        shape = DecoderShape.from_config(settings)
    except ValueError as error:
        raise UnknownModelError(f"{origin}: {error}; such models are not counted.") from None
    return _count(family, shape, settings)


def _made(made: MadeModel) -> Architecture:
    config = made.model_dump(include={key for key in (*_REQUIRED, "num_key_value_heads") if key != "vocab_size"})
    config |= {"model_type": "qwen2", "vocab_size": _MADE_VOCABULARY, "tie_word_embeddings": True}
    return from_config(config, origin="a model made here")


def _count(family: str, shape: DecoderShape, config: Any) -> Architecture:
    experts, chosen = max(shape.num_experts, 1), config.num_experts_per_tok if shape.num_experts else 1
    feed_forward = 3 * shape.hidden_size * shape.ffn_size  # of the experts that one token visits
    idle_experts = shape.num_layers * feed_forward * (experts - chosen) // chosen
    extras = shape.num_layers * (_biases(family, shape, config) + _norms(family, shape)) + shape.hidden_size
    active = shape.matrix_weights + extras
    is_tied = bool(getattr(config, "tie_word_embeddings", False))
    embeddings = shape.head_weights * (1 if is_tied else 2)
    return Architecture(
        family=family,
        shape=shape,
        has_tied_embeddings=is_tied,
        total_params=active + idle_experts + embeddings,
        non_embedding_params=active + idle_experts,
        active_params=active + embeddings,
    )


def _biases(family: str, shape: DecoderShape, config: Any) -> int:
    """Of one layer. Qwen2 always has them on queries, keys and values; Llama and Qwen3 where the configuration says."""
    queries = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    biases = 0
    if family == "qwen2":
        biases += queries + 2 * keys
    elif family in ("llama", "qwen3", "qwen3_moe") and getattr(config, "attention_bias", False):
        biases += queries + 2 * keys + shape.hidden_size
    if family == "llama" and getattr(config, "mlp_bias", False):
        biases += 2 * shape.ffn_size + shape.hidden_size
    return biases


def _norms(family: str, shape: DecoderShape) -> int:
    """Of one layer: before attention and before the feed-forward part; Qwen3 norms queries and keys too."""
    return 2 * shape.hidden_size + (2 * shape.head_dim if family in ("qwen3", "qwen3_moe") else 0)
