"""The text of a sweep file, or in one sentence why it cannot be read."""

from __future__ import annotations

from pathlib import Path as FilePath

from orchestrator.sweepfile.problems import InvalidSweep, Position, SpecProblem

_UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "is a folder, not a sweep file",
    PermissionError: "may not be read; check its permissions",
}


def text_of(file: FilePath) -> str:
    """Its text, which is UTF-8. Raises InvalidSweep."""
    name = str(file)
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = next((said for kind, said in _UNREADABLE.items() if isinstance(error, kind)), None)
        message = reason or f"cannot be read: {error.strerror}"
        raise InvalidSweep([SpecProblem(Position(name), (), message)]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"is not UTF-8 text (line {line}, byte {error.start + 1} of the file); save it as UTF-8"
        raise InvalidSweep([SpecProblem(Position(name), (), message)]) from None
