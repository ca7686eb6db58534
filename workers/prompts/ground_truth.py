"""The answer that earns the reward, as text, from the shapes in which files hold it; and the prompts that hold another.

Maths and STEM rows have a text, or a list of one. Puzzles have a list of names, a grid of numbers, or a table of
`header` and `rows`; these become JSON. Code rows have JSON already: the tests under `functional`, or `inputs` and
`outputs`.
"""

from __future__ import annotations

import ast
import json
from dataclasses import replace

from db.errors import SpecError
from workers.prompts import Message, Prompt

_CODE = "codegen"
_PUZZLES = ("logic", "simulation")


def answer_text(ground_truth: object, *, data_source: str, where: str) -> str:
    """The answer as text, JSON for a puzzle's list or mapping. Raises SpecError for what is no answer."""
    if isinstance(ground_truth, list | dict) and ground_truth and data_source.startswith(_PUZZLES):
        return json.dumps(ground_truth, ensure_ascii=False)
    if isinstance(ground_truth, list) and len(ground_truth) == 1:
        return answer_text(ground_truth[0], data_source=data_source, where=where)
    if not isinstance(ground_truth, str) or not ground_truth.strip():
        raise SpecError(
            f"{where}: there is no answer: `reward_model.ground_truth` must be text, or of a puzzle (logic__, "
            f"simulation__) a list or a mapping, not {ground_truth!r}"
        )
    if data_source.startswith(_CODE) and not _is_json_object(ground_truth):
        raise SpecError(
            f"{where}: `reward_model.ground_truth` of {data_source} must be the tests, a JSON object such as "
            '{"functional": "check(add)"} or {"inputs": [...], "outputs": [...]}, not ' + repr(ground_truth[:60])
        )
    return ground_truth


def is_quoted(prompt: Prompt) -> bool:
    """Whether the only message is the text of a Python list of messages, as in the study's HumanEval file."""
    return _quoted_messages(prompt) is not None


def unquoted(prompt: Prompt) -> Prompt:
    """The prompt with the messages that a quoted one holds; any other as it is."""
    messages = _quoted_messages(prompt)
    return prompt if messages is None else replace(prompt, messages=messages)


def _quoted_messages(prompt: Prompt) -> tuple[Message, ...] | None:
    if len(prompt.messages) != 1 or not prompt.messages[0].content.startswith("[{"):
        return None
    try:
        turns = ast.literal_eval(prompt.messages[0].content)
    except (ValueError, SyntaxError):
        return None
    if not all(isinstance(turn, dict) and turn.keys() == {"role", "content"} for turn in turns):
        return None
    return tuple(Message(str(turn["role"]), str(turn["content"])) for turn in turns)


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
