"""The problems that a trial of published prompts is scored on as `benchmark: heldout`: where they are.

They are where `data.heldout` says. Without it they are the files of `data.train` with the word `test` in their names,
where that is a folder or a data set on the hub; beside a single file nothing is held out. What is trained on is never
taken for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from db.errors import SpecError
from workers.file_hashes import sha256s_of
from workers.prompts import Prompt
from workers.prompts.rows import read_prompts
from workers.prompts.source import PromptSource, find_files
from workers.spec import Data, IdentifiedData
from workers.spec.places import is_path


def heldout_set(data: Data) -> tuple[Prompt, ...]:
    """The held-out problems, in the order of their files.

    Raises SpecError where there are none or they are not what was submitted, EnvironmentProblem for a hub that cannot
    be reached.
    """
    files = heldout_files(data)
    if isinstance(data, IdentifiedData):
        check_content(files, data.heldout_sha256, name="data.heldout")
    return read_prompts(files, split="test")


def training_files(data: Data) -> list[Path]:
    """The files that are trained on, in the order in which they are read. Raises as `find_files` does."""
    assert data.train is not None
    return find_files(PromptSource(data.train, data.revision, data.file))


def heldout_files(data: Data) -> list[Path]:
    """The files of held-out problems. Raises SpecError, with what to do, where there are none."""
    if data.heldout is None:
        reason = reason_against_heldout(data)
        if reason is not None:
            raise SpecError(reason)
    place = data.heldout or data.train
    assert place is not None
    files = find_files(PromptSource(place, None if is_path(place) else data.revision), split="test")
    if data.heldout is None and is_path(place) and set(files) & set(training_files(data)):
        raise SpecError(_nothing_held_out(data))
    return files


def reason_against_heldout(data: Data) -> str | None:
    """Why such data has no held-out problems, as far as that is plain without the hub; None if it may have some."""
    if data.task is not None or data.heldout is not None or data.train is None or not is_path(data.train):
        return None
    folder = Path(data.train).expanduser()
    if folder.is_dir() and len(list(folder.rglob("*.parquet"))) > 1:
        return None
    return _nothing_held_out(data)


def content_sha256(files: Sequence[Path], *, use_cache: bool) -> str:
    """Hash of the contents of the files, in this order, wherever they lie."""
    return hashlib.sha256("\n".join(sha256s_of(files, use_cache=use_cache)).encode()).hexdigest()


def check_content(files: Sequence[Path], submitted: str | None, *, name: str) -> None:
    """Raise SpecError unless the files hold what they held when the trial was submitted; None was not identified."""
    if submitted is None:
        return
    found = content_sha256(files, use_cache=False)
    if found != submitted:
        raise SpecError(
            f"{name}: {', '.join(map(str, files))} has changed since the trial was submitted (SHA-256 {found[:12]}, "
            f"submitted {submitted[:12]}); put the old content back, or submit the sweep again for another trial"
        )


def _nothing_held_out(data: Data) -> str:
    return (
        f"nothing is held out: data.train is {data.train}, and data.heldout is not given; name a file of held-out "
        "problems there, or take `benchmark: heldout` out of evaluations"
    )
