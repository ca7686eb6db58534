"""Isolation without bubblewrap: the same namespaces, files and filter, made by a small program of our own.

Slower by the start of one more interpreter. It needs Linux 5.12 and the right to make namespaces: root's, or that of
every user where the machine grants user namespaces.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.sandbox import interpreter, seccomp
from workers.sandbox.isolation import (
    Entry,
    confinement,
    devices,
    inside_environment,
    threads_counted,
    unprivileged_user,
)
from workers.sandbox.limits import Limits
from workers.sandbox.payload import BOOTSTRAP, Step, payload, sealed_file


@dataclass(frozen=True)
class Namespaces:
    """`as_root` has the same meaning as with bubblewrap."""

    as_root: bool

    @property
    def name(self) -> str:
        return "namespaces, made by root" if self.as_root else "namespaces, in a user namespace"

    def enter(self, limits: Limits) -> Entry:
        """The command line of the next sandbox."""
        enter_file = sealed_file(payload([self._making(limits)]))
        return Entry(
            before=[interpreter.base_executable(), *interpreter.OPTIONS, "-c", BOOTSTRAP, str(enter_file)],
            executable=interpreter.EXECUTABLE,
            environment=inside_environment(),
            descriptors=[enter_file],
            steps=[confinement(limits, user=unprivileged_user() if self.as_root else None)],
        )

    def _making(self, limits: Limits) -> Step:
        seen = interpreter.view()
        arguments = {
            "as_root": self.as_root,
            "mounts": seen.mounts,
            "folders": seen.folders,
            "covered": seen.covered,
            "devices": devices(as_root=self.as_root),
            "file_bytes": limits.file_bytes,
            "filter_program": seccomp.filter_program(threads=threads_counted(as_root=self.as_root)),
        }
        return Step("namespaces", "enter", arguments)
