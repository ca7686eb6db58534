"""A command and all that it starts, in a process group that never outlives the process which started it.

`python -m workers.generation.server_group COMMAND...`, started in a session of its own with a pipe for standard input.
The pipe is its lifeline: it ends when the other end is gone, however that went. A vLLM server that is killed leaves
workers behind, and they keep their GPUs; so whatever the end is, the whole group is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603  (what our own caller asks for)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    threading.Thread(target=_die_with_trial, name="lifeline", daemon=True).start()
    status = process.wait()
    print(f"It ended with status {status}.", flush=True)
    os.killpg(0, signal.SIGKILL)


def _die_with_trial() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
