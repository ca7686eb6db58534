"""Killed at any moment, a process leaves every checkpoint that it acknowledged, and no half one."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from itertools import count
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.checkpoint_places import FILES, progress_at, save, stage
from workers.checkpointing.manifest import MANIFEST
from workers.checkpointing.saving import (
    checkpoint_name,
    checkpoints_in,
    delete_checkpoint,
    is_complete,
    save_checkpoint,
    verify_checkpoint,
)
from workers.checkpointing.staging import staging_folder
from workers.files import sha256_of

ROUNDS = 20
LONGEST_SECONDS = 0.1


def write_until_killed(place: str, trial_folder: Path, attempt: int, acknowledged: Path) -> None:
    """Checkpoint after checkpoint, the one before the last deleted each time; the file tells which are recorded."""
    with staging_folder(trial_folder, attempt) as staging, acknowledged.open("a") as told:
        for step in count(1):
            content = random.Random(f"{attempt} {step}").randbytes(50_000)
            staged = stage(staging / f"checkpoint-{step}", {f"part-{i}.safetensors": content for i in range(4)})
            sealed = save_checkpoint(staged, f"{place}/{checkpoint_name(step, attempt)}", progress_at(step))
            print(json.dumps([sealed.uri, sealed.manifest_sha256, step]), file=told, flush=True)
            if step > 1:
                delete_checkpoint(f"{place}/{checkpoint_name(step - 1, attempt)}")


def upload_until(place: str, staging: Path, num_files: int) -> None:
    """Killed in the middle of a file, after `num_files` whole ones."""
    put = LocalFileSystem.put_file
    taken = count()

    def put_half_at_last(files: LocalFileSystem, source: str, target: str, **options: object) -> None:
        if next(taken) < num_files:
            put(files, source, target, **options)
            return
        content = Path(source).read_bytes()
        Path(target).write_bytes(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    LocalFileSystem.put_file = put_half_at_last
    save(place, 40, staging=staging)


@pytest.mark.parametrize("num_files", range(len(FILES) + 2))  # progress.json and the manifest come to them
def test_an_upload_that_is_killed_within_a_file_has_no_mark(num_files: int, tmp_path: Path) -> None:
    place = f"file://{tmp_path}/checkpoints"
    before = save(place, 20, staging=tmp_path / "staging")
    writer = multiprocessing.get_context("fork").Process(
        target=upload_until, args=(place, tmp_path / "staging", num_files)
    )
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    half = f"{place}/{checkpoint_name(40, 1)}"
    assert checkpoints_in(place) == [before.uri, half]
    assert not is_complete(half)
    assert verify_checkpoint(before.uri, before.manifest_sha256) == progress_at(20)


def wait_for(acknowledged: Path) -> None:
    """Until there is a checkpoint."""
    deadline = time.monotonic() + 60
    while not (acknowledged.exists() and acknowledged.stat().st_size):
        assert time.monotonic() < deadline, "no checkpoint within a minute"
        time.sleep(0.001)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_killed_process_leaves_the_old_checkpoint_or_the_new_one(scheme: str, tmp_path: Path) -> None:
    moments = random.Random(scheme)
    forking = multiprocessing.get_context("fork")
    folder = tmp_path / "trials" / "v1-0" / "checkpoints"
    newest = (0, 0)
    for attempt in range(1, ROUNDS + 1):
        acknowledged = tmp_path / f"acknowledged-{attempt}"
        arguments = (f"{scheme}{folder}", tmp_path, attempt, acknowledged)
        writer = forking.Process(target=write_until_killed, args=arguments)
        writer.start()
        if attempt % 2:
            wait_for(acknowledged)
        writer.join(moments.uniform(0.005, LONGEST_SECONDS))
        assert writer.exitcode is None, "it writes until it is killed"
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL

        lines = acknowledged.read_text().splitlines() if acknowledged.exists() else []
        if lines:
            uri, manifest_sha256, step = json.loads(lines[-1])
            assert verify_checkpoint(uri, manifest_sha256) == progress_at(step)
            newest = (attempt, step)
        for uri in checkpoints_in(f"{scheme}{folder}"):
            if is_complete(uri):  # what has the mark is whole, recorded or not
                verify_checkpoint(uri, sha256_of(Path(uri.removeprefix(scheme)) / MANIFEST))
    assert newest[0] >= ROUNDS - 1, "half of the processes had acknowledged one"
