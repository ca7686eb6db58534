"""Which isolation this machine allows: the first of all there are that runs a program.

Bubblewrap first, then namespaces made by ourselves; made by root where we are root, in user namespaces otherwise. Where
none works, `SandboxUnavailable` says why; running without isolation takes a caller or an environment variable that asks
for it in so many words.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache

from workers.sandbox import seccomp
from workers.sandbox.bubblewrap import Bubblewrap, find_bwrap
from workers.sandbox.isolation import Isolation, SandboxUnavailable
from workers.sandbox.launch import Sandboxed, watch
from workers.sandbox.limits import Limits
from workers.sandbox.namespaces import Namespaces
from workers.sandbox.payload import Step
from workers.sandbox.unisolated import Unisolated

UNSAFE_VARIABLE = "RLSWEEP_RUN_CODE_WITHOUT_SANDBOX"


def find_isolation(*, allow_unsafe: bool = False) -> Isolation:
    """The best isolation that works here.

    Where none does: no isolation at all if `allow_unsafe`, or the environment variable
    RLSWEEP_RUN_CODE_WITHOUT_SANDBOX=1, says so; else SandboxUnavailable.
    """
    found, problems = _first_that_works()
    if found is not None:
        return found
    if allow_unsafe or os.environ.get(UNSAFE_VARIABLE) == "1":
        return Unisolated()
    raise SandboxUnavailable(
        "Generated code cannot be isolated on this machine:\n"
        + "".join(f"  {problem}\n" for problem in problems)
        + "Allow user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns"
        " or the container's settings), or install bubblewrap. To run generated code without isolation, with all the"
        f" rights of this user, set {UNSAFE_VARIABLE}=1."
    )


def isolations() -> Iterator[Isolation]:
    """Every isolation that could work here, best first."""
    if sys.platform != "linux" or not seccomp.supported():
        return
    ways = (True, False) if os.geteuid() == 0 else (False,)
    if program := find_bwrap():
        yield from (Bubblewrap(program, as_root) for as_root in ways)
    yield from (Namespaces(as_root) for as_root in ways)


def problem_of(isolation: Isolation) -> str | None:
    """What hinders an isolation from running a program; None where it works."""
    try:
        with Sandboxed(isolation, Step("program", "run", {"source": "print(6 * 7)"}), Limits()) as program:
            watch([program], until=program, wall_seconds=Limits().wall_seconds)
            program.check_started()
            worked, said = program.stdout == b"42\n", program.stderr.decode(errors="replace").strip()[-300:]
    except SandboxUnavailable as error:
        return f"{isolation.name}: {error}"
    return None if worked else f"{isolation.name}: {said or 'a program printed nothing'}"


@cache
def _first_that_works() -> tuple[Isolation | None, tuple[str, ...]]:
    problems = []
    for isolation in isolations():
        problem = problem_of(isolation)
        if problem is None:
            return isolation, ()
        problems.append(problem)
    return None, tuple(problems) or ("This needs Linux on x86_64 or aarch64.",)
