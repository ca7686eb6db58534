"""SHA-256 of large files, remembered: hashing a large model takes a minute, and every `plan` and `submit` asks.

The hash of each file is kept in the user's cache folder, under its path, size and time of change. A trial does not
trust the cache: it hashes what it loads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from workers.files import sha256_of


def sha256s_of(paths: Sequence[Path], *, use_cache: bool) -> list[str]:
    """The hash of each file's content, in hexadecimal, in this order."""
    if not use_cache:
        return [sha256_of(path) for path in paths]
    known = _read_cache()
    keys = [_key(path) for path in paths]
    found = [known.get(key) or sha256_of(path) for key, path in zip(keys, paths, strict=True)]
    if not known.keys() >= set(keys):
        _write_cache(known | dict(zip(keys, found, strict=True)))
    return found


def _key(path: Path) -> str:
    about = path.stat()
    return f"{path.resolve()} {about.st_size} {about.st_mtime_ns}"


def _cache_file() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "rlsweep" / "file-sha256.json"


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
