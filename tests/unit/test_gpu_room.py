"""GPUs that somebody else's memory fills are waited for, and set aside if it stays."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from orchestrator.launching import gpu_room

# What the driver's own program prints for the GPUs that it is asked about: from a file, a line for each.
NVIDIA_SMI = """#!/bin/sh
case "$*" in *"--query-gpu=index,memory.used,memory.total --format=csv,noheader,nounits") ;; *) exit 2 ;; esac
for gpu in $(echo "${1#--id=}" | tr , ' '); do grep "^$gpu," "$(dirname "$0")/gpus"; done
"""


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of what is in use."""
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(gpu_room, "_LOOK_SECONDS", 0.05)
    return tmp_path / "gpus"


def test_only_the_gpus_that_were_given_are_looked_at(gpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus.write_text("0, 60000, 81559\n1, 540, 81559\n2, 4100, 81559\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpu_room.full_gpus() == []
    assert gpu_room.wait_for_room(seconds=60) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    told = "GPU 0 has 58.6 of 79.6 GiB in use; GPU 2 has 4.0 of 79.6 GiB in use"
    assert gpu_room.wait_for_room(seconds=0.1) == told


def test_memory_that_is_left_late_is_waited_for(gpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus.write_text("0, 60000, 81559\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    threading.Timer(0.5, lambda: gpus.write_text("0, 3, 81559\n")).start()
    assert gpu_room.wait_for_room(seconds=60) is None


def test_a_gpu_that_stays_full_is_held_until_nobody_wants_it(gpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus.write_text("0, 60000, 81559\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    asked: list[float] = []

    def is_wanted() -> bool:
        asked.append(time.monotonic())
        return len(asked) < 4

    gpu_room.hold_until_empty(is_wanted)
    assert len(asked) == 4
    gpus.write_text("0, 3, 81559\n")
    gpu_room.hold_until_empty(is_wanted)
    assert len(asked) == 4, "it is empty"


def test_without_gpus_or_a_driver_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpu_room.full_gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpu_room.full_gpus() == []
