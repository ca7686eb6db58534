"""Which files a checkpoint may hold: tensors and text. Nothing that is loaded may run code.

Weights are safetensors. What the trainer writes with `torch.save` (optimizer, learning-rate schedule, states of the
random number generators, gathered weights of sharded training) is read with `weights_only`, which makes tensors and
plain values and refuses anything else; so a file that cannot be read that way is refused before the trainer sees it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from db.errors import CheckpointError

# The trainer's settings, pickled. It writes and never reads them; a trial's are in the database.
_NEVER_READ = ("training_args.bin",)
_TORCH = (".pt", ".pth", ".bin")
# `.model`: a tokenizer's vocabulary as SentencePiece has it.
_INERT = (".safetensors", ".json", ".jinja", ".txt", ".md", ".model")


def drop_unread(folder: Path) -> None:
    """Delete what the trainer writes into a checkpoint and never reads."""
    for name in _NEVER_READ:
        (folder / name).unlink(missing_ok=True)


def check_contents(folder: Path) -> None:
    """Raise CheckpointError naming the first file that could run code when it is loaded, or is of no known kind.

    Tensors are not read: this takes no longer for large ones.
    """
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix in _TORCH:
            _check_torch_file(path)
        elif path.suffix not in _INERT:
            raise CheckpointError(f"{path} is of a kind that no checkpoint holds; it is not loaded.")


def _check_torch_file(path: Path) -> None:
    import torch

    try:
        with _as_the_trainer_allows(path):
            torch.load(path, weights_only=True, mmap=True, map_location="cpu")
    except (UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path} holds more than tensors and plain values; it is not loaded.") from error


def _as_the_trainer_allows(path: Path) -> AbstractContextManager[Any]:
    """The states of random number generators hold NumPy's arrays; nothing else does."""
    if not path.name.startswith("rng_state"):
        return nullcontext()
    from transformers.trainer_pt_utils import safe_globals

    allowed: AbstractContextManager[Any] = safe_globals()
    return allowed
