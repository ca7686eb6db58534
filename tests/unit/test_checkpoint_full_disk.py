"""A disk that is full loses nothing: the checkpoint before stays, and half of the new one goes."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoint_places import progress_at, save, stage
from workers.checkpointing.saving import checkpoints_in, save_checkpoint, verify_checkpoint
from workers.checkpointing.staging import is_for_want_of_room, staging_folder
from workers.failures import failure_class

ROOT = Path(__file__).parents[2]

# Writes a checkpoint that fits and one that does not, with each of the writers that a trainer has.
ON_A_SMALL_DISK = """
import sys
from pathlib import Path
import safetensors.torch, torch
from tests.checkpoint_places import progress_at, stage
from workers.checkpointing.saving import checkpoints_in, save_checkpoint, verify_checkpoint
from workers.checkpointing.staging import staging_folder
from workers.failures import failure_class

def plainly(content, file):
    file.write_bytes(content["weights"].numpy().tobytes())

WRITERS = {
    "model.safetensors": safetensors.torch.save_file,
    "optimizer.pt": torch.save,
    "plain.json": plainly,
}
trial = Path(sys.argv[1])
for number, (name, write) in enumerate(WRITERS.items()):
    place = trial / f"checkpoints-{number}"
    try:
        with staging_folder(trial, number) as staging:
            for step, size in ((1, 1_000), (2, 500_000)):
                staged = stage(staging / f"checkpoint-{step}")
                write({"weights": torch.ones(size)}, staged / name)
                sealed = save_checkpoint(staged, str(place / f"step-{step}-attempt-1"), progress_at(step))
                first = sealed
    except Exception as error:
        print(name, failure_class(error), *sorted(path.name for path in trial.iterdir()))
    assert verify_checkpoint(first.uri, first.manifest_sha256) == progress_at(1)
    assert checkpoints_in(str(place)) == [first.uri]
"""


def test_a_full_disk_is_named_whichever_library_finds_it_full(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ON_A_SMALL_DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=1m none {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("a disk of this test's own needs a user namespace, which is not allowed here")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && exec {sys.executable} {script} {disk}"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "model.safetensors disk_full checkpoints-0",
        "optimizer.pt disk_full checkpoints-0 checkpoints-1",
        "plain.json disk_full checkpoints-0 checkpoints-1 checkpoints-2",
    ], done.stderr


def test_a_checkpoint_that_cannot_be_completed_leaves_the_one_before(tmp_path: Path) -> None:
    place = str(tmp_path / "checkpoints")
    before = save(place, 20, staging=tmp_path / "staging")
    with pytest.raises(OSError, match="No space left") as full:
        _save_onto_a_full_device(tmp_path, f"{place}/step-000040-attempt-2")
    assert failure_class(full.value) == "disk_full"
    assert not list(tmp_path.glob("staging-attempt-*"))
    assert checkpoints_in(place) == [before.uri]
    assert verify_checkpoint(before.uri, before.manifest_sha256) == progress_at(20)


def _save_onto_a_full_device(trial: Path, uri: str) -> None:
    with staging_folder(trial, 2) as staging:
        staged = stage(staging / "checkpoint-40")
        (staged / "progress.json").symlink_to("/dev/full")
        save_checkpoint(staged, uri, progress_at(40))


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EACCES, "forbidden"), False),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), False),  # there is room
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_only_a_full_disk_is_one(error: Exception, is_full: bool, tmp_path: Path) -> None:
    assert is_for_want_of_room(error, tmp_path) is is_full


def test_a_staging_folder_goes_with_its_attempt_and_clears_what_dead_ones_left(tmp_path: Path) -> None:
    stage(tmp_path / "staging-attempt-1" / "checkpoint-4")
    with staging_folder(tmp_path, 2) as staging:
        assert list(tmp_path.iterdir()) == [staging]
        stage(staging / "checkpoint-8")
    assert not list(tmp_path.iterdir())
