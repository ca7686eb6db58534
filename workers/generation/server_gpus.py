"""Which of a trial's GPUs train and which the server of its own has.

A trial is given all of them by CUDA_VISIBLE_DEVICES, or has the machine to itself where that is not set. The first
ones train, the others are the server's. A process must not even see those of the other: transformers would spread a
model over every GPU in sight.
"""

from __future__ import annotations

import os
import sys

from db.errors import EnvironmentProblem
from workers.spec import Execution

VISIBLE = "CUDA_VISIBLE_DEVICES"


def split_gpus(execution: Execution) -> str | None:
    """Leave this process, and those that it starts, the GPUs that train. Returns the server's, as CUDA is told of them.

    None: the trial has no server, and nothing is changed. It must come before anything asks CUDA for its devices,
    which looks at the variable once. Raises EnvironmentProblem where the trial was given too few.
    """
    if execution.server_gpus is None:
        return None
    torch = sys.modules.get("torch")
    assert torch is None or not torch.cuda.is_initialized(), "CUDA has already counted its devices"
    training, server = _shares(os.environ.get(VISIBLE), execution.gpus or 0, execution.server_gpus)
    os.environ[VISIBLE] = training
    return server


def _shares(visible: str | None, gpus: int, server_gpus: int) -> tuple[str, str]:
    wanted = gpus + server_gpus
    devices = [str(number) for number in range(wanted)] if visible is None else [d for d in visible.split(",") if d]
    if len(devices) < wanted or not gpus:
        raise EnvironmentProblem(
            f"A trial with `gpus: {gpus}` and `server_gpus: {server_gpus}` takes {wanted} GPUs, one at least to train "
            f"on, and {VISIBLE} names {len(devices)} ({visible}). Run it where there are as many, or ask for fewer."
        )
    return ",".join(devices[:gpus]), ",".join(devices[gpus:wanted])
