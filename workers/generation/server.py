"""The vLLM server of a trial: started as a process of its own, waited for, watched, and ended with the trial.

It is the trial's alone: it has the trial's weights, a port that no other trial is given, and GPUs on which nothing else
computes. Where it comes from is said in `server_command`, what ends it in `server_group`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from db.errors import EngineError
from workers.environment_variables import environment_variables
from workers.generation.server_command import HOST, server_command, server_environment
from workers.spec import TrialSpec

START_LIMIT_SECONDS = 1800.0  # weights of a large model from a slow disk, and graphs for them
_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 15.0
_LINES_SHOWN = 15

# What the end of the server means to the attempt: the class of its failure and a sentence.
OnLoss = Callable[[str, str], None]


@dataclass(frozen=True)
class ServerPorts:
    """Where the server listens, and where the trainer does while the two form the group that weights are sent in."""

    http: int
    weight_group: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http}"


@contextmanager
def generation_server(
    spec: TrialSpec, model_folder: Path, *, gpus: str | None, longest_prompt: int, log: Path, on_loss: OnLoss
) -> Iterator[ServerPorts | None]:
    """The trial's server, healthy, while the block runs; None where the trial has none (`gpus` is None).

    `gpus` are those that `split_gpus` set aside. `on_loss` is called from a thread, with the class of the failure and
    what happened, should the server end too early: the trainer would wait for it in a collective, for ever. Raises
    EngineError, with the end of the log, where it does not come up.
    """
    if gpus is None:
        yield None
        return
    with ExitStack() as stack:
        ports = ServerPorts(stack.enter_context(_reserved_port()), stack.enter_context(_reserved_port()))
        command = server_command(spec, model_folder, port=ports.http, longest_prompt=longest_prompt)
        stack.enter_context(_reached_by_loopback())
        stack.enter_context(running_server(command, server_environment(gpus), url=ports.url, log=log, on_loss=on_loss))
        yield ports


@contextmanager
def running_server(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    url: str,
    log: Path,
    on_loss: OnLoss,
    limit_seconds: float = START_LIMIT_SECONDS,
) -> Iterator[None]:
    """Start a command that serves `url`/health, wait for it, and end it with all that it started."""
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"Starting the vLLM server; it writes to {log}.", flush=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter, our own arguments)
            [sys.executable, "-m", "workers.generation.server_group", *command],
            stdin=subprocess.PIPE,  # its end tells the group that the trial is gone
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=dict(environment),
        )
    is_over = threading.Event()
    try:
        _wait_until_healthy(process, url, log, limit_seconds)
        threading.Thread(target=_watch, args=(process, log, is_over, on_loss), name="server", daemon=True).start()
        yield
    finally:
        is_over.set()
        _end(process)


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path, limit_seconds: float) -> None:
    started = time.monotonic()
    while not _is_healthy(url):
        if process.poll() is not None:
            raise EngineError(f"The vLLM server ended before it was ready. {_told_by(log)}")
        if time.monotonic() - started > limit_seconds:
            raise EngineError(f"The vLLM server was not ready after {limit_seconds:g} seconds. {_told_by(log)}")
        time.sleep(_LOOK_SECONDS)


def _is_healthy(url: str) -> bool:
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(URLError, OSError), directly.open(f"{url}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _watch(process: subprocess.Popen[bytes], log: Path, is_over: threading.Event, on_loss: OnLoss) -> None:
    while not is_over.wait(_LOOK_SECONDS):
        if process.poll() is not None:
            on_loss("engine", f"The vLLM server ended while the trial needed it. {_told_by(log)}")
            return


def _told_by(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return f"Its log is {log}, which ends:\n" + "\n".join(lines[-_LINES_SHOWN:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it finish by itself, for a while; then nothing of its group is left."""
    assert process.stdin is not None
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()


@contextmanager
def _reached_by_loopback() -> Iterator[None]:
    """TRL's client asks vLLM for this machine's address, and `requests` for a proxy."""
    exempt = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), HOST)))
    with environment_variables({"VLLM_HOST_IP": HOST, "NO_PROXY": exempt, "no_proxy": exempt}):
        yield


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that no other trial of the machine is given meanwhile; who knows it may listen there all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]
