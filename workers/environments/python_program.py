"""A program that the policy writes, run in the sandbox: nothing is kept from one call to the next."""

from __future__ import annotations

from workers.environments import CallFailed, ToolBroken
from workers.sandbox import Limits, SandboxUnavailable, find_isolation, run_program

LONGEST_OUTPUT = 2000  # characters that are told back: the first and the last of them
LIMITS = Limits(wall_seconds=10.0, cpu_seconds=10)


def python(code: str) -> str:
    """
    Run a Python program and read what it prints. Nothing is kept between calls.

    Args:
        code: The program. Only what it prints is returned.

    Returns:
        What the program printed.
    """
    if not isinstance(code, str):
        raise CallFailed("code must be text")
    try:
        result = run_program(code, limits=LIMITS)
    except SandboxUnavailable as error:
        raise ToolBroken(error) from error
    shown = _shortened(str(result).strip()) or "(nothing was printed)"
    if result.status or result.ended_by:
        raise CallFailed(shown)
    return shown


def check_sandbox() -> None:
    """Raise EnvironmentProblem where this machine cannot run programs apart from itself."""
    find_isolation()


def _shortened(text: str) -> str:
    left_out = len(text) - LONGEST_OUTPUT
    if left_out <= 0:
        return text
    half = LONGEST_OUTPUT // 2
    return f"{text[:half]}\n[{left_out} characters left out]\n{text[-half:]}"
