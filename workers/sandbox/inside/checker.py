"""The tests' side of a judgement: run the tests, with every entry point a call across to the solution's process.

The nonce is written after the last test, by this process alone. Whatever else happens (a failed assert, a solution that
is gone, a value that is not plain) is written as an outcome without it. Outcomes that are the solution's fault end the
process at once, so that no `except` of the tests can swallow them.
"""

from __future__ import annotations

import builtins
import os

from workers.sandbox.inside.values import NotPlainError, encode, receive, send

# Types for the checker of types alone: `typing` would make every start of a sandbox a third slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType
    from typing import Any, NoReturn

# The exceptions that a solution can raise in the tests: the built-in ones, by name.
_EXCEPTIONS: dict[str, type[Exception]] = {
    name: kind for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)
}
MESSAGE_CHARACTERS = 1000


class _Calls:
    """The two pipes to the solution, and where the outcome goes."""

    def __init__(self, *, calls: int, replies: int, value_bytes: int, mutable_arguments: bool) -> None:
        self._calls, self._replies = calls, replies
        self._value_bytes, self._mutable_arguments = value_bytes, mutable_arguments
        # Prints of the tests go to standard error: standard output carries the outcome and nothing else.
        self._outcome = os.dup(1)
        os.dup2(2, 1)

    def entry_point(self, name: str) -> Callable[..., Any]:
        """A function that calls the solution's function of this name."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._send((name, list(arguments), named))
            kind, content = self._receive("returned", "raised")
            if kind == "raised":
                raise self._exception(content)
            return self._returned(content, arguments)

        call.__name__ = call.__qualname__ = name
        return call

    def wait_until_ready(self) -> None:
        """Return when the solution's source has run to its end."""
        self._receive("ready")

    def end(self, outcome: str, detail: str, nonce: str = "") -> NoReturn:
        """Write the outcome, and be gone."""
        os.write(self._outcome, encode((outcome, detail[:MESSAGE_CHARACTERS], nonce)))
        os._exit(0)

    def _send(self, message: object) -> None:
        try:
            send(self._calls, message, self._value_bytes)
        except NotPlainError as error:
            self.end("broken_tests", f"a test passes {error}")
        except BrokenPipeError:
            self.end("solution_ended", "the solution's process ended before the tests did")

    def _receive(self, *kinds: str) -> tuple[str, Any]:
        try:
            kind, content = receive(self._replies, self._value_bytes)
        except EOFError:
            self.end("solution_ended", "the solution's process ended before the tests did")
        except (NotPlainError, MemoryError, RecursionError, ValueError, TypeError) as error:
            self.end("not_plain", str(error))
        if kind not in kinds:
            self._end_without_reply(kind, content)
        return kind, content

    def _end_without_reply(self, kind: Any, content: Any) -> NoReturn:
        if kind == "broken":
            self.end("broken_solution", _name_and_message(content))
        self.end("not_plain", str(content) if kind == "not plain" else "a reply out of turn")

    def _exception(self, content: Any) -> Exception:
        """The nearest built-in exception of what the solution raised."""
        try:
            names, message = content
            kind = next((_EXCEPTIONS[name] for name in names if name in _EXCEPTIONS), Exception)
            return kind(str(message))
        except (TypeError, ValueError):  # one that takes more than a message, or a description that is none
            return Exception(str(content))

    def _returned(self, content: Any, arguments: Sequence[Any]) -> Any:
        if type(content) is not tuple or len(content) != 2:
            self.end("not_plain", "a reply out of turn")
        result, left = content
        if self._mutable_arguments and type(left) is list and len(left) == len(arguments):
            for ours, theirs in zip(arguments, left, strict=True):
                _copy_into(ours, theirs)
        return result


def check(
    *,
    tests: str,
    prelude: str,
    entry_points: Sequence[str],
    nonce: str,
    calls: int,
    replies: int,
    value_bytes: int,
    mutable_arguments: bool,
) -> None:
    """Run the prelude and the tests; write the nonce when the last of them has run."""
    solution = _Calls(calls=calls, replies=replies, value_bytes=value_bytes, mutable_arguments=mutable_arguments)
    namespace: dict[str, Any] = {"__name__": "tests"}
    try:
        prelude_code, tests_code = _compiled(prelude, "prelude.py"), _compiled(tests, "tests.py")
        exec(prelude_code, namespace)  # noqa: S102  the sandbox is for this
    except BaseException as error:
        solution.end("broken_tests", f"{type(error).__name__}: {error}")
    solution.wait_until_ready()
    namespace.update({name: solution.entry_point(name) for name in entry_points})
    try:
        exec(tests_code, namespace)  # noqa: S102
    except AssertionError as error:
        solution.end("failed_assert", _where(error, tests))
    except BaseException as error:
        solution.end("exception", f"{type(error).__name__}: {error}; {_where(error, tests)}")
    solution.end("passed", "", nonce)


def _compiled(source: str, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _name_and_message(content: Any) -> str:
    try:
        names, message = content
        return f"{names[0]}: {message}"
    except (TypeError, ValueError, IndexError, KeyError):
        return "an error that it did not describe"


def _copy_into(ours: Any, theirs: Any) -> None:
    """Give a list, dict or set of the caller what the callee left in it."""
    if type(ours) is not type(theirs):
        return
    if isinstance(ours, list):
        ours[:] = theirs
    elif isinstance(ours, dict | set):
        ours.clear()
        ours.update(theirs)


def _where(error: BaseException, tests: str) -> str:
    """The last line of the tests that the error passed through."""
    number, step = 0, error.__traceback__
    while step is not None:
        number = step.tb_lineno if step.tb_frame.f_code.co_filename == "tests.py" else number
        step = step.tb_next
    lines = tests.split("\n")
    return f"line {number}: {lines[number - 1].strip()}" if 0 < number <= len(lines) else "outside the tests"
