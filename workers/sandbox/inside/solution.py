"""The solution's side of a judgement: run the solution's source, then answer calls of its functions.

This process knows neither the tests nor the nonce, and holds nothing but the two pipes of the calls. Whatever the
solution does to this code, the other side reads plain values or ends the judgement.
"""

from __future__ import annotations

import builtins
import sys

from workers.sandbox.inside.values import NotPlainError, receive, send

# Types for the checker of types alone: `typing` would make every start of a sandbox a third slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# Longer messages of an exception are cut.
MESSAGE_CHARACTERS = 1000


def serve(*, source: str, calls: int, replies: int, value_bytes: int, mutable_arguments: bool) -> None:
    """Answer calls until the tests' side closes its end."""
    solution = type(sys)("solution")
    sys.modules["solution"] = solution  # dataclasses look their module up
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # which the `site` module would define
    try:
        exec(compile(source, "solution.py", "exec", dont_inherit=True), solution.__dict__)  # noqa: S102
    except BaseException as error:
        send(replies, ("broken", _described(error)), value_bytes)
        raise
    send(replies, ("ready", None), value_bytes)
    while True:
        name, arguments, named = receive(calls, value_bytes)
        send_reply(replies, _answer(solution, name, arguments, named, mutable_arguments), value_bytes)


def send_reply(replies: int, reply: tuple[str, Any], value_bytes: int) -> None:
    """Send what the call gave, or that it cannot cross."""
    try:
        send(replies, reply, value_bytes)
    except NotPlainError as error:
        send(replies, ("not plain", str(error)), value_bytes)


def _answer(
    solution: ModuleType, name: str, arguments: list[Any], named: dict[str, Any], mutable_arguments: bool
) -> tuple[str, Any]:
    try:
        result = getattr(solution, name)(*arguments, **named)
    except Exception as error:
        return "raised", _described(error)
    return "returned", (result, arguments if mutable_arguments else None)


def _described(error: BaseException) -> tuple[list[str], str]:
    """The names of its classes, nearest first, and its message."""
    return [kind.__name__ for kind in type(error).__mro__], str(error)[:MESSAGE_CHARACTERS]
