"""Prompts that fit: a prompt longer than the limit is left out, never cut, because a cut problem is another one."""

from __future__ import annotations

from collections.abc import Callable

from db.errors import SpecError
from workers.prompts.curriculum import Curriculum

CountTokens = Callable[[list[dict[str, str]]], int]


def without_long_prompts(curriculum: Curriculum, max_prompt_tokens: int, count_tokens: CountTokens) -> Curriculum:
    """The prompts of at most `max_prompt_tokens`, which `count_tokens` counts in a chat after its template.

    To keep the sizes of slices, use it on the whole training file, before anything is drawn. Raises SpecError where
    no prompt is left.
    """
    kept = tuple(prompt for prompt in curriculum.prompts if count_tokens(prompt.chat) <= max_prompt_tokens)
    if not kept:
        raise SpecError(
            f"each of the {len(curriculum)} prompts is longer than {max_prompt_tokens} tokens; raise the limit"
        )
    return Curriculum(kept)
