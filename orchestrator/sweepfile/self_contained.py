"""A sweep file that needs no other: with what it extends, `--set` and full paths written into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from orchestrator.sweepfile.inheritance import read_with_parents
from orchestrator.sweepfile.overrides import apply_overrides
from orchestrator.sweepfile.places import with_full_paths


def self_contained(file: Path, overrides: Sequence[str]) -> str:
    """The text of a file that has the same trials, wherever it is read. What was submitted stands above, as comments.

    The sweep has been loaded before, so nothing is wrong with it.
    """
    source = read_with_parents(file)
    submitted = source.text.splitlines()
    apply_overrides(source, overrides)
    data = with_full_paths(source).data
    lines = [f"Sent from {source.name}:", *(f"--set {each}" for each in overrides), *submitted]
    comments = "\n".join(f"# {line}".rstrip() for line in lines)
    return f"{comments}\n\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}"
