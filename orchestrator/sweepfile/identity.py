"""What makes two trials the same trial.

The science hash covers what changes the numbers: model, data, algorithm, optimizer, sampling, seed. It leaves out
how a trial is executed, how far it is taken (budgets are milestones on one trajectory) and how it is scored. The
canonical form is JSON with sorted keys and every default written out, under a version: when the meaning of a field
changes, the version does, and old hashes stay what they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from workers.spec import TrialSpec

IDENTITY_VERSION = 1

_NOT_SCIENCE = {"budget", "evaluations", "execution"}
_NOT_SCIENCE_OF_DATA = {"heldout_problems"}


def science(spec: TrialSpec) -> dict[str, Any]:
    """The canonical configuration that identifies a trial."""
    fields = spec.model_dump(mode="json", exclude=_NOT_SCIENCE)
    for name in _NOT_SCIENCE_OF_DATA:
        del fields["data"][name]
    del fields["model"]["nominal_params"]
    # The name of a model made here is what people call it; how it is made is what it is.
    if fields["model"]["made"] is not None:
        del fields["model"]["name"]
    return {"identity_version": IDENTITY_VERSION, **fields}


def science_hash(spec: TrialSpec) -> str:
    """The trial's identity, such as `v1:9f86d0...`; equal exactly when `science` is."""
    canonical = json.dumps(science(spec), sort_keys=True, separators=(",", ":"), allow_nan=False)
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
