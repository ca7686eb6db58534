"""Nothing that is loaded from a checkpoint may run code."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from db.errors import CheckpointError
from tests.checkpoint_places import progress_at, save, stage
from tests.tiny_training import save_tiny_model, tiny_spec, tiny_training
from workers.checkpointing.contents import check_contents, drop_unread
from workers.checkpointing.folders import write_manifest
from workers.checkpointing.saving import fetch_checkpoint, save_checkpoint
from workers.files import sha256_of


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.file,)  # type: ignore[return-value]


def write(folder: Path, name: str, trap: Trap) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith("optimizer.pt"):
        torch.save({"state": torch.zeros(3), "step": trap}, folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(trap))


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth", "pytorch_model.bin", "custom.pkl", ".metadata"])
def test_a_file_that_runs_code_is_neither_saved_nor_loaded(name: str, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "it ran")
    write(tmp_path / "proof", name, trap)
    pickled = tmp_path / "proof" / name
    torch.load(pickled, weights_only=False) if name == "optimizer.pt" else pickle.loads(pickled.read_bytes())
    assert trap.file.exists(), "the file does what it is refused for"
    trap.file.unlink()

    staged = stage(tmp_path / "staged")
    write(staged, name, trap)
    with pytest.raises(CheckpointError, match=f"{name} .*it is not loaded"):
        save_checkpoint(staged, str(tmp_path / "step-000040-attempt-1"), progress_at(40))

    # Whoever can write to the database and to the folder makes the manifest fit.
    sealed = save(str(tmp_path), 20, staging=tmp_path / "staging")
    write(Path(sealed.uri), name, trap)
    write_manifest(Path(sealed.uri), progress_at(20))
    with pytest.raises(CheckpointError, match=f"{name} .*it is not loaded"):
        fetch_checkpoint(sealed.uri, sha256_of(Path(sealed.uri) / "manifest.json"), into=tmp_path / "fetched")
    assert not trap.file.exists()


def test_what_the_trainer_writes_is_tensors_and_text(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    training = tiny_training(tiny_spec(model), model, tmp_path / "output", blocks=1)
    training.trainer.train()
    training.trainer._save_checkpoint(training.trainer.model, None)
    (folder,) = (tmp_path / "output").glob("checkpoint-*")
    drop_unread(folder)
    check_contents(folder)
    written = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= written
    assert "training_args.bin" not in written
