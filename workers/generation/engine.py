"""Choosing a trial's generation engine and device, and what surrounds the trainer because of it."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from db.errors import NumericalError
from db.records import Provenance
from workers.provenance import describe_environment
from workers.spec import TrialSpec
from workers.training.trl_losses import trl_trainer

Engine = Literal["transformers", "vllm"]


def resolve_engine(spec: TrialSpec) -> Engine:
    """`auto` is vLLM where there is a CUDA device and vLLM, else transformers' own generation.

    On a CPU transformers is the faster one for small models; vLLM there is to exercise the real path.
    Raises EnvironmentProblem when vLLM, or a server of it, is asked for and cannot run here.
    """
    import torch

    if spec.execution.server_gpus is not None:
        from workers.generation.server_limits import check_server_can_run

        check_server_can_run()
        return "vllm"
    if spec.execution.engine == "transformers":
        return "transformers"
    if spec.execution.engine == "vllm":
        from workers.generation.vllm_engine import installed_build

        installed_build()
        return "vllm"
    return "vllm" if torch.cuda.is_available() else "transformers"


def import_trl(engine: Engine) -> None:
    """Import TRL, and with it vLLM only if the trial will use it: that alone takes as long as all the rest.

    TRL imports vLLM wherever it finds it installed. It is told that there is none, for the time of its import.
    """
    if engine == "vllm" or "trl" in sys.modules:
        return
    from trl import import_utils

    found = import_utils.is_vllm_available
    import_utils.is_vllm_available = lambda min_version=None: False
    try:
        importlib.import_module("workers.training.trainers")
    finally:
        import_utils.is_vllm_available = found


def describe_attempt(spec: TrialSpec, engine: Engine) -> Provenance:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return describe_environment(spec.execution, engine=engine, device=device)


@contextmanager
def engine_settings(spec: TrialSpec, engine: Engine) -> Iterator[None]:
    """Surround the construction of a trainer: gives a vLLM engine the trial's seed and precision.

    A server has them from its command line.
    """
    if engine == "transformers" or spec.execution.server_gpus is not None:
        yield
        return
    from workers.generation.vllm_engine import trial_engine

    with trial_engine(seed=spec.seed, dtype=spec.model.dtype):
        yield


@contextmanager
def running_engine(trainer: Any, engine: Engine) -> Iterator[None]:
    """Surround training: a vLLM engine is compared with the policy after the first update, and shut down at the end.

    A server is asked with the trial's seeds; who started it ends it.
    """
    if engine == "transformers":
        yield
        return
    from workers.generation.adapter_weights import send_merged_copies
    from workers.generation.server_seeds import seeded_requests
    from workers.generation.weight_sync import check_first_sync

    send_merged_copies(trainer.vllm_generation)
    is_server = trainer.vllm_generation.mode == "server"
    with seeded_requests(trainer) if is_server else _ending_with_training(trainer):
        check_first_sync(trainer)
        yield


@contextmanager
def _ending_with_training(trainer: Any) -> Iterator[None]:
    from workers.generation.vllm_engine import shut_down_engine

    try:
        yield
    finally:
        shut_down_engine(trainer)


def check_block(spec: TrialSpec, engine: Engine, updates: Sequence[Mapping[str, float]]) -> None:
    """Raise if a block's updates left the numbers, or its completions came from an engine with stale weights."""
    for metrics in updates:
        for name in ("loss", "grad_norm"):
            value = metrics.get(name)
            if value is not None and not math.isfinite(value):
                raise NumericalError(
                    f"{name} became {value} at a learning rate of {spec.optimizer.learning_rate:g}; lower it, "
                    "or look at the reward and gradient norm of the steps before."
                )
    if engine == "vllm" and trl_trainer(spec.algorithm) == "grpo":  # the other one does not measure it
        from workers.generation.vllm_engine import check_weight_sync

        # TRL logs what concerns the whole block, such as this, with the block's first update.
        check_weight_sync(updates[0], spec.model.dtype)
