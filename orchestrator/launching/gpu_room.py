"""Whether the GPUs that Ray gives to a trial are empty.

Whoever had a GPU before may leave its memory late, or never: a process that was killed and hangs in the driver, or a
stranger's. A trial that starts there fails for want of memory, and so do all that come after it. So the memory is
waited for, and a GPU that stays full is set aside: its place is held, empty, while trials run elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

# With nothing on it a GPU has some hundred MiB in use, the driver's own.
_EMPTY_SHARE = 0.05
_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 60.0
_QUERY = ("--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class GpuMemory:
    """Of one GPU, in MiB; `index` as nvidia-smi counts."""

    index: str
    used: float
    total: float

    @property
    def is_empty(self) -> bool:
        return self.used <= _EMPTY_SHARE * self.total

    def __str__(self) -> str:
        return f"GPU {self.index} has {self.used / 1024:.1f} of {self.total / 1024:.1f} GiB in use"


def wait_for_room(*, seconds: float) -> str | None:
    """Return None once all GPUs that this process may see are empty; after `seconds`, a sentence about the others."""
    deadline = time.monotonic() + seconds
    while full := full_gpus():
        if time.monotonic() > deadline:
            return "; ".join(map(str, full))
        time.sleep(_LOOK_SECONDS)
    return None


def hold_until_empty(is_wanted: Callable[[], bool]) -> None:
    """Keep the place of GPUs that are full, until they are empty or nobody waits for a place any more."""
    while full_gpus() and is_wanted():
        time.sleep(_LOOK_SECONDS)


def full_gpus() -> list[GpuMemory]:
    """Those of the GPUs in CUDA_VISIBLE_DEVICES that are not empty; none where there is no NVIDIA driver to ask."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not visible:
        return []
    try:
        answer = subprocess.run(  # noqa: S603  (our own arguments)
            ["nvidia-smi", f"--id={visible}", *_QUERY],  # noqa: S607  (the driver's own, wherever it is installed)
            capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.SubprocessError):
        return []  # what is wrong with it, the trial will say
    rows = [line.split(",") for line in answer.stdout.splitlines() if line.strip()]
    found = [GpuMemory(index.strip(), float(used), float(total)) for index, used, total in rows]
    return [each for each in found if not each.is_empty]
