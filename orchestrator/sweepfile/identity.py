"""What makes two trials the same trial.

The science hash covers what changes the numbers: model, data, algorithm, optimizer, sampling, seed. It leaves out
how a trial is executed (`Execution.identity`), how far it is taken (budgets are milestones on one trajectory) and how
it is scored.

The canonical form is JSON with sorted keys, under a version. The fields of the first release are always written out.
A field that came later is written only where it differs from its default, so that the trials of old databases stay
what they were; its default therefore never changes. What says the same in other words is written in one way: a
horizon in steps or in prompts, the order of `sources`, `revision: main`. Settings of what is switched off, such as the
precision of a reference policy where there is no KL, are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from workers.spec import (
    Algorithm,
    Data,
    Environment,
    Lora,
    MadeModel,
    Model,
    Optimizer,
    Sampling,
    TrialSpec,
    WarmUp,
)
from workers.spec.canonical import IDENTITY_VERSION, canonical_json, identity_hash

# The fields of the first release, by the part that has them.
_ALWAYS_WRITTEN: dict[type[BaseModel], frozenset[str]] = {
    Model: frozenset({"name", "source", "revision", "made", "dtype"}),
    MadeModel: frozenset({
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "embedding_std", "initializer_gain", "warm_up",
    }),
    WarmUp: frozenset({
        "learning_rate", "batch_size", "label_accuracy", "adam_beta2", "warmup_steps", "max_grad_norm",
        "stop_at_validation_score", "check_every_steps", "max_steps",
    }),
    Data: frozenset({"task", "seed"}),
    Algorithm: frozenset({
        "name", "group_size", "prompts_per_step", "updates_per_step", "clip_low", "clip_high", "kl_coefficient",
        "aggregation", "advantage_scale",
    }),
    Optimizer: frozenset({
        "learning_rate", "warmup_steps", "adam_beta1", "adam_beta2", "weight_decay", "max_grad_norm",
    }),
    Sampling: frozenset({"max_completion_tokens", "temperature", "top_p"}),
    Lora: frozenset({"rank", "alpha", "targets"}),
    Environment: frozenset({"tools", "max_turns"}),
}  # fmt: skip
_SECTIONS = ("model", "data", "algorithm", "optimizer", "sampling", "lora", "environment")


def science(spec: TrialSpec) -> dict[str, Any]:
    """The canonical configuration that identifies a trial."""
    fields: dict[str, Any] = {"identity_version": IDENTITY_VERSION, "seed": spec.seed}
    for section in _SECTIONS:
        part = getattr(spec, section)
        if part is not None:
            fields[section] = json.loads(_canonical(_Same(part)))
    return fields | _between_sections(spec)


def science_hash(spec: TrialSpec) -> str:
    """The trial's identity, such as `v1:9f86d0...`; equal exactly when `science` is."""
    fields = {"identity_version": IDENTITY_VERSION, "seed": spec.seed, **_between_sections(spec)}
    texts = {name: canonical_json(value) for name, value in fields.items()}
    for section in _SECTIONS:
        part = getattr(spec, section)
        if part is not None:
            texts[section] = _canonical(_Same(part))
    return identity_hash("{" + ",".join(f'"{name}":{text}' for name, text in sorted(texts.items())) + "}")


def _between_sections(spec: TrialSpec) -> dict[str, Any]:
    """What is science only because of another section."""
    fields: dict[str, Any] = {}
    if spec.horizon_reason:
        is_known = spec.prompts_drawn is not None  # steps, and prompts that do not fill the last one, are whole steps
        unit, at = ("samples", spec.prompts_drawn) if is_known else (spec.budget.unit, spec.budget.last)
        fields["horizon"] = {"unit": unit, "at": at}
    if spec.algorithm.aggregation == "micro_batch_token_mean":
        fields["micro_batch"] = spec.execution.micro_batch
    return fields


class _Same:
    """A part of a specification that is equal only to itself: the trials of a sweep share most of their parts."""

    def __init__(self, part: BaseModel) -> None:
        self.part = part

    def __hash__(self) -> int:
        return id(self.part)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.part is self.part


@lru_cache(maxsize=2048)
def _canonical(same: _Same) -> str:
    """The science of one section as JSON."""
    part = same.part
    fields = _written(part)
    if isinstance(part, Model):
        _identify_model(fields)
    elif isinstance(part, Data):
        _identify_data(fields, part)
    elif isinstance(part, Algorithm):
        _identify_algorithm(fields, part)
    elif isinstance(part, Environment):
        fields["tools"] = list(dict.fromkeys(part.tools))
    return canonical_json(fields)


def _written(part: BaseModel) -> dict[str, Any]:
    """The fields of the first release, and those of later ones that are not as by default."""
    first = next(names for kind, names in _ALWAYS_WRITTEN.items() if isinstance(part, kind))
    values = {name: (getattr(part, name), field) for name, field in type(part).model_fields.items()}
    return {
        name: _written(value) if isinstance(value, BaseModel) else value
        for name, (value, field) in values.items()
        if name in first or value != field.default
    }


def _identify_model(fields: dict[str, Any]) -> None:
    """A model is what it is made of: how it was made, its files, or its place on the hub; never what it is called."""
    del fields["name"]
    fields.pop("nominal_params", None)
    if fields.get("weights_sha256"):
        fields["source"] = fields["revision"] = None
    elif fields["revision"] == "main":
        fields["revision"] = None  # what the hub gives to somebody who says nothing


def _identify_data(fields: dict[str, Any], data: Data) -> None:
    """Prompts are what is in their files, or their place on the hub; held-out ones count if prompts are dropped."""
    fields.pop("heldout_problems", None)  # only scored with
    if data.task is None:
        fields["seed"] = 0  # draws a task's problems
    if fields.get("train_sha256"):
        fields.pop("train")
        fields.pop("file", None)
    if not data.drop_near_duplicates or fields.get("heldout_sha256"):
        fields.pop("heldout", None)
    if data.sources is not None:
        fields["sources"] = sorted(set(data.sources))  # which rows are kept, in the order of the file


def _identify_algorithm(fields: dict[str, Any], algorithm: Algorithm) -> None:
    """Settings of what is switched off are not part of it."""
    fields["loss_aggregation"] = fields.pop("aggregation")  # its name in the first release
    idle = () if algorithm.kl_coefficient else ("kl_placement", "kl_times_ratio", "reference_dtype")
    if algorithm.sampler_correction == "none":
        idle = (*idle, "sampler_correction_cap")
    for name in idle:
        fields.pop(name, None)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The fields, dotted, in which two canonical configurations differ, with both values; None where one has none."""
    flat_one, flat_other = dict(_fields(one, "")), dict(_fields(other, ""))
    names = sorted(flat_one.keys() | flat_other.keys())
    return [
        (name, flat_one.get(name), flat_other.get(name)) for name in names if flat_one.get(name) != flat_other.get(name)
    ]


def _fields(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _fields(inner, f"{path}.{name}" if path else name)
