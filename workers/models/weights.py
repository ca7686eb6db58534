"""What model is in a folder: one hash of its weights, and one of what else there changes its answers.

The second covers the configuration (the base of the rotary embedding, the end-of-text token), the tokenizer and the
chat template. Files that transformers does not load, such as a README, belong to neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from db.errors import EnvironmentProblem
from workers.file_hashes import sha256s_of

_BESIDE_WEIGHTS = (
    "config.json", "generation_config.json", "adapter_config.json", "*.safetensors.index.json",
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model", "*.tiktoken",
    "chat_template*", "*.jinja", "additional_chat_templates/*.jinja",
)  # fmt: skip


def weights_sha256(folder: Path, *, name: str, use_cache: bool = False) -> str:
    """The hash of a folder's safetensors files, names and contents.

    Raises EnvironmentProblem where there are none; `name` is the model's. With `use_cache` a file whose size and time
    have not changed is not read again.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise EnvironmentProblem(
            f"model {name!r}: {folder} holds no safetensors weights, and no other format is loaded: convert them"
        )
    return _sha256_of_all(zip([path.name for path in weights], sha256s_of(weights, use_cache=use_cache), strict=True))


def files_sha256(folder: Path) -> str:
    """The hash of a folder's configuration, tokenizer and chat templates, names and contents."""
    found = {path for pattern in _BESIDE_WEIGHTS for path in folder.glob(pattern) if path.is_file()}
    names = {path.relative_to(folder).as_posix(): path for path in found}
    ordered = sorted(names)
    return _sha256_of_all(zip(ordered, sha256s_of([names[name] for name in ordered], use_cache=False), strict=True))


def _sha256_of_all(files: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, sha256 in files:
        digest.update(f"{name} {sha256}\n".encode())
    return digest.hexdigest()
