"""Files that a command ends in writing: whether they can be written is known before the work."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryFile

from db.errors import EnvironmentProblem


def require_writable(file: Path, option: str) -> None:
    """EnvironmentProblem, naming the option, for a file that cannot be written. Folders may be missing."""
    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not file.exists():
            folder = next(each for each in file.absolute().parents if each.exists())
            with TemporaryFile(dir=folder):
                pass
        elif not os.access(file, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_write(file, error, option) from error


def cannot_write(file: Path, error: OSError, option: str) -> EnvironmentProblem:
    """What to say of a file that was not written."""
    return EnvironmentProblem(f"Cannot write {file}: {error.strerror}. Choose another place with {option}.")
