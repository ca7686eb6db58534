"""The one way to write a configuration down, and the hash that names it.

JSON with sorted keys and without spaces, under a version: two that are equal are the same text, on every machine.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

IDENTITY_VERSION = 1


def canonical_json(fields: Any) -> str:
    """The text. ValueError for NaN and infinities, which JSON does not have."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity_hash(canonical: str) -> str:
    """Version and SHA-256 of a canonical text, such as `v1:9f86d0...`."""
    return f"v{IDENTITY_VERSION}:{hashlib.sha256(canonical.encode()).hexdigest()}"
