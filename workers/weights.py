"""What weights are in a folder: one SHA-256 over the names and contents of its safetensors files.

Hashing a large model takes a minute, and every `plan` and `submit` asks. So the hash of each file is kept in the
user's cache folder, under its path, size and time of change. A trial does not trust the cache: it hashes what it loads.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from db.errors import EnvironmentProblem
from workers.files import sha256_of


def weights_sha256(folder: Path, *, name: str, use_cache: bool = False) -> str:
    """The hash of a folder's weights. Raises EnvironmentProblem where there are none; `name` is the model's."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise EnvironmentProblem(
            f"model {name!r}: {folder} holds no safetensors weights, and no other format is loaded: convert them"
        )
    known = _read_cache() if use_cache else {}
    found = {path: known.get(_key(path)) or sha256_of(path) for path in weights}
    fresh = {_key(path): sha256 for path, sha256 in found.items() if _key(path) not in known}
    if use_cache and fresh:
        _write_cache(known | fresh)
    digest = hashlib.sha256()
    for path, sha256 in found.items():
        digest.update(f"{path.name} {sha256}\n".encode())
    return digest.hexdigest()


def _key(path: Path) -> str:
    about = path.stat()
    return f"{path.resolve()} {about.st_size} {about.st_mtime_ns}"


def _cache_file() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "rlsweep" / "weights-sha256.json"


def _read_cache() -> dict[str, str]:
    try:
        kept = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # not there yet, or damaged: everything is hashed anew
    return kept if isinstance(kept, dict) else {}


def _write_cache(hashes: dict[str, str]) -> None:
    """Put whole in place of the old one; a folder that cannot be written to only costs time."""
    file = _cache_file()
    part = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(hashes, indent=1), encoding="utf-8")
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
