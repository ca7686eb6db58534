"""What a trial's server draws: decided by the trial's seed, the block, the draw and the prompt, and by nothing else.

TRL's client sends no seed, so a server draws from its engine's generator, in the order in which requests happen to come
in: no two runs are alike. One seed for a request would be worse. vLLM gives it to each prompt of the request, so that
prompts would share their random numbers, and the i-th completion of a prompt gets the seed plus i, so that groups of
neighbouring seeds would overlap. Here every prompt is a request of its own, with a seed from a hash.

What holds: another trial's seed, block or draw gives other random numbers; siblings differ; a resumed trial, on however
many GPUs, asks with the seeds with which it would have asked. What does not: the random numbers are the same, but with
other requests beside it a GPU rounds differently, which now and then decides for another token.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

Generate = Callable[..., dict[str, Any]]

_LIVE_COMPLETIONS = 1024  # more at a time than an engine decodes, so that it never waits for a request


@contextmanager
def seeded_requests(trainer: Any) -> Iterator[None]:
    """Have the client of `trainer` ask for every prompt by itself, with a seed of its own, while the block runs.

    The seed of the draw is torch's: the trainer sets it for each draw. Only one process of a trial has a client.
    """
    if not trainer.accelerator.is_main_process:
        yield
        return
    client = trainer.vllm_generation.vllm_client
    _widen(client.session)
    client.generate = by_prompt(client.generate, draw_seed=_torch_seed)
    try:
        yield
    finally:
        del client.generate  # TRL's own is the class's
        client.close_communicator()


def by_prompt(generate: Generate, *, draw_seed: Callable[[], int]) -> Generate:
    """`VLLMClient.generate` for many prompts, as one call for each."""

    def generate_each(prompts: Sequence[Sequence[int]], *, n: int = 1, **sampling: Any) -> dict[str, Any]:
        given = sampling.pop("generation_kwargs", None) or {}
        assert sampling.pop("features", None) is None, "a policy here reads no images"

        def ask(prompt: Sequence[int], seed: int) -> dict[str, Any]:
            return generate([prompt], n=n, **sampling, generation_kwargs={**given, "seed": seed})

        with ThreadPoolExecutor(max_workers=min(_requests_at_once(n), len(prompts))) as executor:
            answers = list(executor.map(ask, prompts, prompt_seeds(prompts, draw_seed())))
        return {name: _joined([answer[name] for answer in answers]) for name in answers[0]}

    return generate_each


def prompt_seeds(prompts: Sequence[Sequence[int]], draw_seed: int) -> list[int]:
    """A seed for each prompt of a draw: of its tokens and of how often it came before, not of its place.

    62 bits, so that the seeds of siblings, which are the next ones, are nobody else's.
    """
    seen: Counter[tuple[int, ...]] = Counter()
    seeds = []
    for prompt in map(tuple, prompts):
        text = f"rlsweep request {draw_seed} {seen[prompt]} {','.join(map(str, prompt))}"
        seeds.append(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2)
        seen[prompt] += 1
    return seeds


def _joined(parts: list[list[Any] | None]) -> list[Any] | None:
    return None if parts[0] is None else [row for part in parts for row in part or ()]


def _requests_at_once(completions_each: int) -> int:
    return max(_LIVE_COMPLETIONS // completions_each, 1)


def _widen(session: Any) -> None:
    """Keep as many connections as there are requests at a time; retries stay TRL's."""
    from requests.adapters import HTTPAdapter

    retries = session.get_adapter("http://").max_retries
    session.mount("http://", HTTPAdapter(max_retries=retries, pool_maxsize=_LIVE_COMPLETIONS))


def _torch_seed() -> int:
    import torch

    return torch.initial_seed()
