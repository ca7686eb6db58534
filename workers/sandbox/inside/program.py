"""A whole program inside the sandbox, run as `python program.py` would run it."""

from __future__ import annotations

import builtins
import sys

# Types for the checker of types alone: `typing` would make every start of a sandbox a third slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

FILE = "program.py"


def run(*, source: str) -> None:
    """Run the source as `__main__`; its own exit status and traceback are the process's."""
    with open(FILE, "w", encoding="utf-8", errors="surrogatepass") as file:  # so that tracebacks show its lines
        file.write(source)
    main = type(sys)("__main__")
    main.__dict__.update(__file__=FILE, __builtins__=builtins)
    sys.modules["__main__"] = main
    sys.argv = [FILE]
    sys.excepthook = _print_traceback
    # Without the `site` module nobody else defines them.
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    exec(compile(source, FILE, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  the sandbox is for this


def _print_traceback(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    """Without the frames of the code that started the program."""
    while frames is not None and frames.tb_frame.f_code.co_filename != FILE:
        frames = frames.tb_next
    sys.__excepthook__(kind, error.with_traceback(frames), frames)
