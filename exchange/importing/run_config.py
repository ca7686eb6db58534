"""What a run's configuration, as TRL or verl log it, says of the run as a whole.

Sizes without embeddings are in neither; they come by `--set num_params`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exchange.importing.fields import FIELDS
from exchange.importing.mapping import Value

_TRL = {
    "model": ("model_name_or_path", "_name_or_path"),
    "seed": ("seed",),
    "group_size": ("num_generations",),
    "learning_rate": ("learning_rate",),
    "kl_coefficient": ("beta",),
    "algorithm": ("loss_type",),
    "total_params": ("model/num_parameters",),
}
_VERL = {
    "model": ("actor_rollout_ref.model.path",),
    "seed": ("data.seed",),
    "group_size": ("actor_rollout_ref.rollout.n",),
    "prompts_per_step": ("data.train_batch_size",),
    "learning_rate": ("actor_rollout_ref.actor.optim.lr",),
    "algorithm": ("algorithm.adv_estimator",),
}


def facts_of(config: Mapping[str, Any]) -> dict[str, Value]:
    """Fields of the run that its configuration names."""
    flat = _flat(config)
    names = _VERL if "actor_rollout_ref.model.path" in flat else _TRL
    facts: dict[str, Value] = {}
    for field, keys in names.items():
        value = next((flat[key] for key in keys if flat.get(key) is not None), None)
        if FIELDS[field].kind == "text" and isinstance(value, str) and value:
            facts[field] = value[: FIELDS[field].longest]
        elif FIELDS[field].kind != "text" and isinstance(value, (int, float)) and not isinstance(value, bool):
            facts[field] = float(value)
    return facts | (_verl_rest(flat) if names is _VERL else _trl_rest(flat))


def _verl_rest(flat: Mapping[str, Any]) -> dict[str, Value]:
    facts: dict[str, Value] = {}
    actor = "actor_rollout_ref.actor."
    if flat.get(f"{actor}use_kl_loss") is True and isinstance(flat.get(f"{actor}kl_loss_coef"), (int, float)):
        facts["kl_coefficient"] = float(flat[f"{actor}kl_loss_coef"])
    prompts, part = flat.get("data.train_batch_size"), flat.get(f"{actor}ppo_mini_batch_size")
    if isinstance(prompts, int) and isinstance(part, int) and part > 0 and prompts % part == 0:
        facts["updates_per_step"] = float(prompts // part * int(flat.get(f"{actor}ppo_epochs") or 1))
    return facts


def _trl_rest(flat: Mapping[str, Any]) -> dict[str, Value]:
    """Prompts of a step, where TRL's step, one optimizer update, is also ours, one rollout block."""
    completions, group = flat.get("generation_batch_size"), flat.get("num_generations")
    one_update = (
        flat.get("num_iterations") == 1
        and flat.get("steps_per_generation") is not None
        and flat.get("steps_per_generation") == flat.get("gradient_accumulation_steps")
    )
    if not (one_update and isinstance(completions, int) and isinstance(group, int) and group > 0):
        return {}
    return {"prompts_per_step": float(completions // group), "updates_per_step": 1.0}


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"data": {"seed": 1}}` -> `{"data.seed": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
