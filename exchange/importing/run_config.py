"""What a run's configuration, as TRL or verl log it, says of the run as a whole.

Sizes without embeddings are in neither; they come by `--set num_params`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from exchange.importing.fields import FIELDS
from exchange.importing.log_table import LogTable
from exchange.importing.mapping import CONFIG, Request, Target, Value
from exchange.importing.problems import ImportProblem

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


_ACTOR = "actor_rollout_ref.actor."


@dataclass(frozen=True)
class RunConfig:
    """A configuration with its nested keys joined by dots, what it says of the run, and which keys say so."""

    entries: Mapping[str, Any]
    facts: Mapping[str, Value]
    keys: Mapping[str, tuple[str, ...]]


def read_config(config: Mapping[str, Any]) -> RunConfig:
    """Fields of the run that its configuration names."""
    flat = {key: value for key, value in _flat(config).items() if not key.startswith("_wandb")}
    names = _VERL if "actor_rollout_ref.model.path" in flat else _TRL
    found: dict[str, tuple[Value, tuple[str, ...]]] = {}
    for field, keys in names.items():
        key = next((key for key in keys if flat.get(key) is not None), None)
        value = None if key is None else _of_kind(flat[key], is_text=FIELDS[field].kind == "text")
        if key is not None and value is not None:
            found[field] = (value[: FIELDS[field].longest] if isinstance(value, str) else value, (key,))
    found |= _verl_rest(flat) if names is _VERL else _trl_rest(flat)
    facts = {field: value for field, (value, _) in found.items()}
    return RunConfig(flat, facts, {field: keys for field, (_, keys) in found.items()})


def with_mapped_config(table: LogTable, request: Request, problems: list[ImportProblem]) -> LogTable:
    """The table with the configuration's keys of `--map config.KEY=FIELD` as facts; wrong values go to `problems`."""
    asked = {
        column.removeprefix(CONFIG): target for column, target in request.columns.items() if column in keys_of(table)
    }
    if not asked:
        return table
    facts = {
        name: value for name, value in table.facts.items() if not set(table.from_config.get(name, ())) & set(asked)
    }
    keys = {name: found for name, found in table.from_config.items() if name in facts}
    for key, target in asked.items():
        if target is None:
            continue
        value = _in_our_unit(table.config[key], target)
        if target.field.level == "step" or target.field.name in ("score", "test_loss", "successes"):
            told = f"{target.key} differs from step to step, and a configuration has one value."
            problems.append(ImportProblem(f"--map {CONFIG}{key}={target}", told))
        elif value is None:
            told = f"{table.config[key]!r} is not {'a number' if target.field.kind != 'text' else 'text'}, which "
            problems.append(ImportProblem(f"{table.path}, {CONFIG}{key}", f"{told}{target.key} is."))
        else:
            facts[target.key], keys[target.key] = value, (key,)
    return replace(table, facts=facts, from_config=keys)


def keys_of(table: LogTable) -> list[str]:
    """The configuration's keys as `--map` calls them."""
    return [f"{CONFIG}{key}" for key in table.config]


def _in_our_unit(given: Any, target: Target) -> Value | None:
    value = _of_kind(given, is_text=target.field.kind == "text")
    return value * target.unit.scale + target.unit.offset if isinstance(value, float) else value


def _of_kind(value: Any, *, is_text: bool) -> Value | None:
    """The value as text, or as a number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if is_text:
        return str(value) or None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _verl_rest(flat: Mapping[str, Any]) -> dict[str, tuple[Value, tuple[str, ...]]]:
    found: dict[str, tuple[Value, tuple[str, ...]]] = {}
    weight, batch, part = f"{_ACTOR}kl_loss_coef", "data.train_batch_size", f"{_ACTOR}ppo_mini_batch_size"
    if flat.get(f"{_ACTOR}use_kl_loss") is True and isinstance(flat.get(weight), (int, float)):
        found["kl_coefficient"] = (float(flat[weight]), (f"{_ACTOR}use_kl_loss", weight))
    whole, mini = flat.get(batch), flat.get(part)
    if isinstance(whole, int) and isinstance(mini, int) and mini > 0 and whole % mini == 0:
        epochs = f"{_ACTOR}ppo_epochs"
        used = (batch, part, *([epochs] if epochs in flat else []))
        found["updates_per_step"] = (float(whole // mini * int(flat.get(epochs) or 1)), used)
    return found


def _trl_rest(flat: Mapping[str, Any]) -> dict[str, tuple[Value, tuple[str, ...]]]:
    """Prompts of a step, where TRL's step, one optimizer update, is also ours, one rollout block."""
    completions, group = flat.get("generation_batch_size"), flat.get("num_generations")
    one_update = (
        flat.get("num_iterations") == 1
        and flat.get("steps_per_generation") is not None
        and flat.get("steps_per_generation") == flat.get("gradient_accumulation_steps")
    )
    if not (one_update and isinstance(completions, int) and isinstance(group, int) and group > 0):
        return {}
    schedule = ("num_iterations", "steps_per_generation", "gradient_accumulation_steps")
    return {
        "prompts_per_step": (float(completions // group), ("generation_batch_size", "num_generations", *schedule)),
        "updates_per_step": (1.0, schedule),
    }


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"data": {"seed": 1}}` -> `{"data.seed": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
