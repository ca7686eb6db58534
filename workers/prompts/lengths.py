"""Prompts that fit: a prompt longer than the limit is left out, never cut, because a cut problem is another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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


def token_counter(folder: str) -> CountTokens:
    """Counts a chat's tokens after the template of the tokenizer in `folder`, with the turn that the policy begins.

    Raises SpecError for a folder without a tokenizer or a template.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(Path(folder).expanduser(), local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SpecError(f"there is no tokenizer in {folder} ({reason}); name a model's folder") from error
    if tokenizer.chat_template is None:
        raise SpecError(f"the tokenizer in {folder} has no chat template, and prompts are counted after it")

    def count(chat: list[dict[str, str]]) -> int:
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count
