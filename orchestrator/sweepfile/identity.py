"""What makes two trials the same trial.

The science hash covers what changes the numbers: model, data, algorithm, optimizer, sampling, seed. It leaves out
how a trial is executed (`Execution.identity`), how far it is taken (budgets are milestones on one trajectory) and how
it is scored.

The canonical form is JSON with sorted keys, under a version. The fields of the first release are always written out.
A field that came later is written only where it differs from its default, so that the trials of old databases stay
what they were; its default therefore never changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from workers.spec import Algorithm, Data, Model, TrialSpec
from workers.spec.canonical import IDENTITY_VERSION, canonical_json, identity_hash

_ALWAYS_WRITTEN: dict[str, frozenset[str]] = {
    "model": frozenset({"name", "source", "revision", "made", "dtype"}),
    "data": frozenset({"task", "seed"}),
    "algorithm": frozenset({
        "name", "group_size", "prompts_per_step", "updates_per_step", "clip_low", "clip_high", "kl_coefficient",
        "aggregation", "advantage_scale",
    }),
    "optimizer": frozenset({
        "learning_rate", "warmup_steps", "adam_beta1", "adam_beta2", "weight_decay", "max_grad_norm",
    }),
    "sampling": frozenset({"max_completion_tokens", "temperature", "top_p"}),
}  # fmt: skip
_OPTIONAL = ("lora", "environment")
_SECTIONS = (*_ALWAYS_WRITTEN, *_OPTIONAL)
_NOT_SCIENCE = {"model": {"nominal_params"}, "data": {"heldout_problems"}}


def science(spec: TrialSpec) -> dict[str, Any]:
    """The canonical configuration that identifies a trial."""
    fields: dict[str, Any] = {"identity_version": IDENTITY_VERSION, "seed": spec.seed}
    for section in _SECTIONS:
        part = getattr(spec, section)
        if part is not None:
            fields[section] = json.loads(_canonical(section, _Same(part)))
    return fields | _between_sections(spec)


def science_hash(spec: TrialSpec) -> str:
    """The trial's identity, such as `v1:9f86d0...`; equal exactly when `science` is."""
    fields = {"identity_version": IDENTITY_VERSION, "seed": spec.seed, **_between_sections(spec)}
    texts = {name: canonical_json(value) for name, value in fields.items()}
    for section in _SECTIONS:
        part = getattr(spec, section)
        if part is not None:
            texts[section] = _canonical(section, _Same(part))
    return identity_hash("{" + ",".join(f'"{name}":{text}' for name, text in sorted(texts.items())) + "}")


def _between_sections(spec: TrialSpec) -> dict[str, Any]:
    """What is science only because of another section."""
    fields: dict[str, Any] = {}
    if spec.horizon_reason:
        fields["horizon"] = {"unit": spec.budget.unit, "at": spec.budget.last}
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
def _canonical(section: str, same: _Same) -> str:
    """The science of one section as JSON."""
    part = same.part
    if section in _OPTIONAL:
        fields = part.model_dump(mode="json")
    else:
        first = _ALWAYS_WRITTEN[section]
        left_out = first | _NOT_SCIENCE.get(section, set())
        later = part.model_dump(mode="json", exclude_defaults=True, exclude=set(left_out))
        fields = part.model_dump(mode="json", include=set(first)) | later
    if isinstance(part, Algorithm):
        fields["loss_aggregation"] = fields.pop("aggregation")  # its name in the first release
    if isinstance(part, Data) and not part.drop_near_duplicates:
        fields.pop("heldout", None)  # only scored with
    if isinstance(part, Model):
        _identify_model(fields)
    return canonical_json(fields)


def _identify_model(fields: dict[str, Any]) -> None:
    """A model is what it is made of: how it was made, its weights, or its place on the hub; never what it is called."""
    del fields["name"]
    if fields.get("weights_sha256"):
        fields["source"] = fields["revision"] = None


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
