"""What a vLLM server of a trial's own cannot do, in sentences for the one who asks for it."""

from __future__ import annotations

from collections.abc import Iterator

from db.errors import EnvironmentProblem
from workers.spec import TrialSpec

_GPUS_OF_A_MACHINE = 8


def reasons_against_server(spec: TrialSpec) -> Iterator[str]:
    """A sentence for each setting that does not go with `server_gpus`, which begins with that name."""
    execution = spec.execution
    if execution.server_gpus is None:
        return
    if execution.engine == "transformers":
        yield "resources.server_gpus does not go with generation.engine transformers; use `engine: vllm`"
    if spec.environment is not None:
        yield (
            "resources.server_gpus does not go with environment: a server refuses prompts as long as those of later "
            "turns, and processes would wait for each other's turns"
        )
    if execution.num_gpus > _GPUS_OF_A_MACHINE:
        yield (
            f"resources.server_gpus {execution.server_gpus} makes {execution.num_gpus:g} GPUs for a trial, whose "
            f"processes and server are on one machine, of {_GPUS_OF_A_MACHINE}"
        )


def check_server_can_run() -> None:
    """Raise EnvironmentProblem where weights could not be sent to a server."""
    from workers.generation.vllm_engine import installed_build

    if installed_build() == "cpu":
        raise EnvironmentProblem(
            "`server_gpus` needs CUDA: TRL's client sends weights to a vLLM server by NCCL and refuses other devices, "
            "and the vLLM that is installed here is built for CPUs. Leave `server_gpus` out, or run the trial on GPUs."
        )
