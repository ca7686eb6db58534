"""What every way of isolating a program has in common: how a process enters, and what it gives up on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from db.errors import EnvironmentProblem
from workers.sandbox import interpreter
from workers.sandbox.limits import Limits
from workers.sandbox.payload import Step


class SandboxUnavailable(EnvironmentProblem):
    """This machine offers no way to isolate generated code, or a sandbox could not be made."""


@dataclass(frozen=True)
class Entry:
    """How one process enters its sandbox.

    `before` stands before the interpreter on the command line; `steps` are taken inside before foreign code runs;
    `descriptors` are the sandbox's own and closed here once the process has them; `folder` is a working folder on the
    machine, removed afterwards, where the isolation has none of its own.
    """

    executable: str
    environment: Mapping[str, str]
    steps: Sequence[Step]
    before: Sequence[str] = ()
    descriptors: Sequence[int] = ()
    folder: str | None = None


class Isolation(Protocol):
    """One way of isolating a program. `name` is for people."""

    @property
    def name(self) -> str: ...

    def enter(self, limits: Limits) -> Entry:
        """How the next process enters; every call makes another sandbox."""
        ...


def threads_counted(*, as_root: bool) -> bool:
    """Whether the kernel counts a program's threads: it never does for root, who is root in its user namespaces too.

    A program whose threads are not counted is refused threads.
    """
    return as_root or os.geteuid() != 0


def devices(*, as_root: bool) -> Sequence[str]:
    """The devices that a program sees: none where it would be their owner, who may change their modes."""
    return ("/dev/null", "/dev/urandom") if as_root or os.geteuid() != 0 else ()


def inside_environment() -> Mapping[str, str]:
    """The environment in a sandbox with files of its own."""
    return interpreter.environment(home="/tmp", libraries=f"{interpreter.FOLDER}/lib")  # noqa: S108  the sandbox's own


def confinement(limits: Limits, *, user: int | None) -> Step:
    """The last step before foreign code: the limits, and no privileges."""
    return Step("confinement", "confine", {"user": user, "resources": limits.resources()})


def unprivileged_user() -> int:
    """A user number for a sandbox made by root, so that the kernel counts its threads, each sandbox's apart.

    Drawn from numbers that containers map as well (below 65,536) and that seldom belong to anybody.
    """
    return 40_000 + int.from_bytes(os.urandom(2)) % 20_000
