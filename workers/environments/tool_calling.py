"""Whether a policy can call tools: its chat template must be able to write a call and a result down.

TRL reads calls out of completions by the form that the template gives them. It knows the forms of the templates that
it ships, by their text; a tokenizer may bring its own, as `response_template`.
"""

from __future__ import annotations

from copy import copy

from transformers import PreTrainedTokenizerBase

from db.errors import SpecError
from workers.environments.offered import Tool, offered
from workers.spec import Environment

_TAKE = "take a model that was taught to call tools, such as Qwen2.5-Instruct, Qwen3 or Llama-3.1-Instruct"


def check_environment(environment: Environment, tokenizer: PreTrainedTokenizerBase, *, model: str) -> None:
    """Raise before anything is trained where tools cannot be offered, or `model` cannot call them.

    SpecError, or EnvironmentProblem where this machine cannot run programs.
    """
    offered(environment)
    check_tool_calling(tokenizer, model)


def check_tool_calling(tokenizer: PreTrainedTokenizerBase, model: str) -> None:
    """Raise SpecError where TRL cannot have the model of this tokenizer call tools."""
    from trl.chat_template_utils import (
        add_response_schema,
        get_training_chat_template,
        is_chat_template_prefix_preserving,
        supports_tool_calling,
    )

    if not supports_tool_calling(tokenizer):
        raise SpecError(
            f"environment: the chat template of {model} cannot write down a tool's call and result; {_TAKE}"
        )
    tried = copy(tokenizer)  # TRL will tell its own how to read calls
    if getattr(tried, "response_template", None) is None and getattr(tried, "response_schema", None) is None:
        try:
            add_response_schema(tried)
        except ValueError as error:
            raise SpecError(
                f"environment: TRL cannot read tool calls of {model}, whose chat template it does not know; {_TAKE}, "
                "or give the tokenizer a `response_template`"
            ) from error
    if not is_chat_template_prefix_preserving(tried):
        try:
            get_training_chat_template(tried)
        except ValueError as error:
            raise SpecError(
                f"environment: the chat template of {model} writes earlier turns in another way once a tool has "
                f"answered, so a conversation cannot go on; {_TAKE}"
            ) from error


def longest_prompt(environment: Environment, tokenizer: PreTrainedTokenizerBase, *, longest: int) -> int:
    """Tokens of the longest prompt once it describes the tools, if it has `longest` without."""
    tools = offered(environment).described
    user, system = {"role": "user", "content": "?"}, {"role": "system", "content": "?"}
    return longest + max(
        _length(tokenizer, chat, tools) - _length(tokenizer, chat, None) for chat in ([user], [system, user])
    )


def _length(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]], tools: list[Tool] | None) -> int:
    return len(tokenizer.apply_chat_template(chat, tools=tools, add_generation_prompt=True, return_dict=False))
