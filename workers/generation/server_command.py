"""How the vLLM server of a trial is started: its command line and its environment.

The server is vLLM's own (`vllm serve`) with what TRL's client needs of it: a weight-transfer engine, the development
endpoints by which weights are announced, and log-probabilities after temperature. It listens on loopback alone; those
endpoints let whoever reaches them do anything with it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from workers.generation.server_gpus import VISIBLE
from workers.generation.server_weights import WeightDigests
from workers.generation.vllm_engine import engine_seed
from workers.spec import TrialSpec

HOST = "127.0.0.1"

# What a distributed launcher says of the trial's own processes, of which the server is none.
_OF_A_LAUNCHER = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
# Places and secrets of the trial; and a key that the server would ask its only client for.
_NOT_FOR_THE_SERVER = ("RLSWEEP_", "RAY_", "PG", "WANDB_", "AWS_", "HF_TOKEN", "VLLM_API_KEY")


def server_command(spec: TrialSpec, model_folder: Path, *, port: int, longest_prompt: int) -> list[str]:
    """The command line. One engine computes on all GPUs of the server together, in the precision of the trial."""
    execution = spec.execution
    assert execution.server_gpus is not None
    options: dict[str, object] = {
        "host": HOST,
        "port": port,
        "dtype": spec.model.dtype,
        # Requests bring their own seeds; this one is for what is drawn without.
        "seed": engine_seed(spec.seed, 0),
        "tensor-parallel-size": execution.server_gpus,
        # Else the engine reserves memory for the longest sequence that the model could ever take.
        "max-model-len": longest_prompt + spec.sampling.max_completion_tokens,
        "gpu-memory-utilization": execution.engine_memory_share,
        "logprobs-mode": "processed_logprobs",
        "weight-transfer-config": json.dumps({"backend": "nccl"}),
        "worker-extension-cls": f"{WeightDigests.__module__}.{WeightDigests.__qualname__}",
    }
    named = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    serve = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", str(model_folder)]
    return [*serve, *named, "--enable-prefix-caching", "--disable-uvicorn-access-log"]


def server_environment(gpus: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The server's environment, from this process's: it sees `gpus` alone, and no place or secret of the trial."""
    inherited = os.environ if environment is None else environment
    kept = {
        name: value
        for name, value in inherited.items()
        if name not in _OF_A_LAUNCHER and not name.startswith(_NOT_FOR_THE_SERVER)
    }
    return kept | {
        VISIBLE: gpus,
        "VLLM_HOST_IP": HOST,
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
