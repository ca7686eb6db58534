"""What makes two trials the same trial.

The science hash covers what changes the numbers: model, data, algorithm, optimizer, sampling, seed. It leaves out
how a trial is executed, how far it is taken (budgets are milestones on one trajectory) and how it is scored. The
canonical form is JSON with sorted keys and every default written out, under a version: when the meaning of a field
changes, the version does, and old hashes stay what they were.
"""

from __future__ import annotations

import hashlib
import json
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
