"""What makes two trials the same trial, and what makes two runs of one the same run.

The science hash covers what changes the numbers: model, data, algorithm, optimizer, sampling, seed. It leaves out
how a trial is executed, how far it is taken (budgets are milestones on one trajectory) and how it is scored. The
execution hash covers how it is executed, and nothing else.

The canonical form is JSON with sorted keys, under a version. The fields of the first release are always written out.
A field that came later is written only where it differs from its default, so that the trials of old databases stay
what they were; its default therefore never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from workers.spec import TrialSpec

IDENTITY_VERSION = 1

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
_NOT_SCIENCE = {"model": {"nominal_params"}, "data": {"heldout_problems"}}


def science(spec: TrialSpec) -> dict[str, Any]:
    """The canonical configuration that identifies a trial."""
    fields: dict[str, Any] = {"identity_version": IDENTITY_VERSION, "seed": spec.seed}
    for section, first in _ALWAYS_WRITTEN.items():
        part = getattr(spec, section)
        later = part.model_dump(mode="json", exclude_defaults=True, exclude=first | _NOT_SCIENCE.get(section, set()))
        fields[section] = part.model_dump(mode="json", include=first) | later
    for section in ("lora", "environment"):
        if getattr(spec, section) is not None:
            fields[section] = getattr(spec, section).model_dump(mode="json")
    fields["algorithm"]["loss_aggregation"] = fields["algorithm"].pop("aggregation")  # its name in the first release
    if not spec.data.drop_near_duplicates:
        fields["data"].pop("heldout", None)  # only scored with
    _identify_model(fields["model"])
    if spec.horizon_reason:
        fields["horizon"] = {"unit": spec.budget.unit, "at": spec.budget.last}
    if spec.algorithm.aggregation == "micro_batch_token_mean":
        fields["micro_batch"] = spec.execution.micro_batch
    return fields


def _identify_model(fields: dict[str, Any]) -> None:
    """A model is what it is made of: how it was made, its weights, or its place on the hub; never what it is called."""
    del fields["name"]
    if fields.get("weights_sha256"):
        fields["source"] = fields["revision"] = None


def science_hash(spec: TrialSpec) -> str:
    """The trial's identity, such as `v1:9f86d0...`; equal exactly when `science` is."""
    return _hash(science(spec))


def execution_hash(spec: TrialSpec) -> str:
    """How the trial is executed, such as `v1:2c26b4...`."""
    return _hash(
        {"identity_version": IDENTITY_VERSION, **spec.execution.model_dump(mode="json", exclude_defaults=True)}
    )


def _hash(fields: Mapping[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"v{IDENTITY_VERSION}:{hashlib.sha256(canonical.encode()).hexdigest()}"


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
