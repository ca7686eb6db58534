"""A trial and its checkpoints: damaged ones are passed over, stores serve as folders do, a full disk loses nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from db.states import AttemptState
from tests.attempts import AttemptedTrial, first_trial
from workers.checkpointing.saving import checkpoints_in

ROOT = Path(__file__).parents[2]
SHORT = ["budgets.at=[4]", "checkpoints={every_steps: 1, keep: 3}"]


@pytest.fixture(scope="module")
def models(made_models: Path) -> Path:
    return made_models


@pytest.fixture
def whole(tiny_sweep: Path, models: Path, tmp_path: Path) -> AttemptedTrial:
    """The same trial, never interrupted."""
    trial = first_trial(tiny_sweep, SHORT, folder=tmp_path / "whole", models=models)
    assert trial.attempt() is AttemptState.SUCCEEDED
    return trial


def altered(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def truncated(content: bytes) -> bytes:
    return content[:-1]


def test_of_damaged_checkpoints_the_newest_whole_one_is_gone_on_from(
    whole: AttemptedTrial, tiny_sweep: Path, models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = first_trial(tiny_sweep, SHORT, folder=tmp_path / "damaged", models=models)
    assert trial.attempt(stops_after=3) is AttemptState.INTERRUPTED
    for step, file, damage in ((3, "model.safetensors", altered), (2, "optimizer.pt", truncated)):
        path = Path(trial.folders.checkpoints) / f"step-{step:06d}-attempt-1" / file
        path.write_bytes(damage(path.read_bytes()))
    assert trial.attempt() is AttemptState.SUCCEEDED
    printed = capfd.readouterr().out
    assert "Not resuming from step 3" in printed
    assert "model.safetensors is altered" in printed
    assert "Not resuming from step 2" in printed
    assert [each["resumed_from_step"] for each in trial.reader.attempts(trial.trial_id)] == [0, 1]
    assert trial.measured() == whole.measured()


def test_checkpoints_in_a_store_are_gone_on_from_like_those_in_a_folder(
    whole: AttemptedTrial, tiny_sweep: Path, models: Path, tmp_path: Path
) -> None:
    store = "memory://bucket/trials/one/checkpoints"
    trial = first_trial(tiny_sweep, SHORT, folder=tmp_path / "stored", models=models, checkpoints=store)
    assert trial.attempt(stops_after=2) is AttemptState.INTERRUPTED
    assert trial.attempt() is AttemptState.SUCCEEDED
    assert trial.measured() == whole.measured()
    assert [uri.rpartition("/")[2] for uri in checkpoints_in(store)] == [
        f"step-{step:06d}-attempt-{attempt}" for step, attempt in ((2, 1), (3, 2), (4, 2))
    ]
    assert not (tmp_path / "stored" / "checkpoints").exists()


# The disk holds a checkpoint and a half: the second step's finds no room, until somebody makes some.
ON_A_SMALL_DISK = """
import sys
from pathlib import Path
from tests.attempts import first_trial
from tests.integration.test_trial_checkpoints import SHORT
disk, sweep, models, filler = map(Path, sys.argv[1:])
trial = first_trial(sweep, SHORT, folder=disk.parent / "beside", files=disk, models=models)
try:
    trial.attempt()
except OSError as error:
    print("FULL", error.strerror)
(attempt,) = trial.reader.attempts(trial.trial_id)
print("ENDED", attempt["state"], attempt["failure_class"])
print("THERE", *sorted(path.relative_to(disk) for path in disk.glob("*/*")))
filler.unlink()
print("THEN", trial.attempt())
print("MEASURED", trial.measured())
"""


def test_a_full_disk_ends_the_trial_by_name_and_loses_nothing(
    whole: AttemptedTrial, tiny_sweep: Path, models: Path, tmp_path: Path
) -> None:
    disk, script = tmp_path / "disk", tmp_path / "script.py"
    disk.mkdir()
    script.write_text(ON_A_SMALL_DISK)
    checkpoint = next(iter(checkpoints_in(whole.folders.checkpoints)))
    size = sum(path.stat().st_size for path in Path(checkpoint).rglob("*")) // 1024
    filler = disk / "filler"
    commands = (
        f"mount -t tmpfs -o size={12 * size}k none {disk} && head -c {int(10.5 * size)}k /dev/zero > {filler} && "
        f"exec {sys.executable} {script} {disk} {tiny_sweep} {models} {filler}"
    )
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("a disk of this test's own needs a user namespace, which is not allowed here")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", commands],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.split(" ", 1)[0].isupper()]
    assert told[1:] == [
        "ENDED failed disk_full",
        "THERE checkpoints/step-000001-attempt-1",
        "THEN succeeded",
        f"MEASURED {whole.measured()}",
    ], done.stdout
    assert "No room" in told[0] or "No space" in told[0]
