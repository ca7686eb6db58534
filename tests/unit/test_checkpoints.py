"""A checkpoint is whole or it is not one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from db.errors import CheckpointError
from workers.checkpoints import SealedCheckpoint, delete_checkpoint, seal_checkpoint, verify_checkpoint
from workers.milestones import Progress

PROGRESS = Progress(step=40, samples=2560, tokens=266_240, flops=5.4e10, seconds=7.25)


@pytest.fixture
def sealed(tmp_path: Path) -> SealedCheckpoint:
    staged = tmp_path / "staging" / "checkpoint-40"
    (staged / "shard").mkdir(parents=True)
    (staged / "model.safetensors").write_bytes(bytes(range(256)))
    (staged / "shard" / "optimizer.pt").write_bytes(b"moments")
    return seal_checkpoint(staged, tmp_path / "checkpoints" / "step-40", PROGRESS)


def test_a_sealed_checkpoint_verifies_and_returns_its_progress(sealed: SealedCheckpoint) -> None:
    assert verify_checkpoint(sealed.folder, sealed.manifest_sha256) == PROGRESS
    assert sealed.num_bytes == sum(p.stat().st_size for p in sealed.folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", ["model.safetensors", "shard/optimizer.pt", "progress.json"])
def test_a_file_altered_by_one_byte_is_named(sealed: SealedCheckpoint, name: str) -> None:
    content = bytearray((sealed.folder / name).read_bytes())
    content[-1] ^= 1
    (sealed.folder / name).write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=f"{name} is altered"):
        verify_checkpoint(sealed.folder, sealed.manifest_sha256)


def test_a_truncated_file_is_named(sealed: SealedCheckpoint) -> None:
    (sealed.folder / "model.safetensors").write_bytes(b"\x00")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is altered"):
        verify_checkpoint(sealed.folder, sealed.manifest_sha256)


def test_a_missing_file_is_named(sealed: SealedCheckpoint) -> None:
    (sealed.folder / "shard" / "optimizer.pt").unlink()
    with pytest.raises(CheckpointError, match=r"lacks its file shard/optimizer\.pt"):
        verify_checkpoint(sealed.folder, sealed.manifest_sha256)


def test_a_manifest_made_to_match_altered_files_is_refused(sealed: SealedCheckpoint) -> None:
    manifest = json.loads((sealed.folder / "manifest.json").read_text())
    manifest["sha256"] = {}
    (sealed.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="not the one that was recorded"):
        verify_checkpoint(sealed.folder, sealed.manifest_sha256)


def test_a_half_deleted_checkpoint_is_none(sealed: SealedCheckpoint) -> None:
    (sealed.folder / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="never completed or is partly deleted"):
        verify_checkpoint(sealed.folder, sealed.manifest_sha256)


def test_deleting_leaves_nothing_and_may_be_repeated(sealed: SealedCheckpoint) -> None:
    for _ in range(2):  # the second time is after a crash between deleting and recording it
        delete_checkpoint(sealed.folder)
        assert not sealed.folder.exists()
