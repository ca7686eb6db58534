"""Running generated Python code where it can harm nothing, and judging it by tests that it cannot deceive.

`run_program` runs a whole program, `judge_tests` judges functions by asserts, `SandboxPool` does either many at a time.
`find_isolation` says what the machine allows. What is protected and what is not: docs/sandbox.md.
"""

from workers.sandbox.available import find_isolation
from workers.sandbox.isolation import Isolation, SandboxUnavailable
from workers.sandbox.judging import Judgement, judge_tests
from workers.sandbox.limits import Limits
from workers.sandbox.pool import Program, SandboxPool, Submission
from workers.sandbox.program import ProgramResult, run_program

__all__ = [
    "Isolation",
    "Judgement",
    "Limits",
    "Program",
    "ProgramResult",
    "SandboxPool",
    "SandboxUnavailable",
    "Submission",
    "find_isolation",
    "judge_tests",
    "run_program",
]
