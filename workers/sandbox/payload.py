"""What a sandboxed interpreter is started with: compiled code and its arguments, in a sealed file of memory.

Nothing of the project needs to be mounted inside, and nothing has to be compiled at every start. The interpreter reads
the file from a descriptor, closes it and takes the steps in turn.
"""

from __future__ import annotations

import fcntl
import marshal
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from workers.sandbox import inside

# The one argument is the descriptor. Modules come in the order of their imports.
BOOTSTRAP = """
import marshal, sys
with open(int(sys.argv[1]), "rb") as payload:
    modules, steps = marshal.loads(payload.read())
for name, code in modules:
    sys.modules[name] = type(sys)(name)
    exec(code, sys.modules[name].__dict__)
for name, function, arguments in steps:
    getattr(sys.modules[name], function)(**arguments)
"""
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


@dataclass(frozen=True)
class Step:
    """A function of a module of `inside`, and its arguments: plain values."""

    module: str
    function: str
    arguments: Mapping[str, Any]


def payload(steps: Sequence[Step], *, libraries: Sequence[str] = ()) -> bytes:
    """The steps, their modules, and the `libraries` of `inside` that these import."""
    names = dict.fromkeys([*libraries, *(step.module for step in steps)])
    calls = [(_full_name(step.module), step.function, dict(step.arguments)) for step in steps]
    return marshal.dumps(([(_full_name(name), _compiled(name)) for name in names], calls))


def sealed_file(content: bytes) -> int:
    """A descriptor of a file in memory that nobody can change any more, positioned at its beginning."""
    descriptor = os.memfd_create("sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _full_name(module: str) -> str:
    return f"{inside.__name__}.{module}"


@cache
def _compiled(module: str) -> CodeType:
    path = Path(inside.__path__[0]) / f"{module}.py"
    return compile(path.read_bytes(), f"sandbox/{module}.py", "exec", dont_inherit=True)
