"""Where prompts are stored: parquet files here, or in a data set of the Hugging Face hub at one revision.

Answers which files to read and in which order. It guesses nothing that would change the data: a hub data set
needs a revision, and where several files could be meant the user is asked to name one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from db.errors import EnvironmentProblem, SpecError
from workers.spec.places import is_path, reason_against_place

Split = Literal["train", "test"]


@dataclass(frozen=True)
class PromptSource:
    """A parquet file, a folder of them, or a hub data set (`owner/name`), which needs its `revision`.

    `file` is the path of one file in the folder or data set. Without it the files are those whose names hold the
    word `train`, or `test` for what is held out; where there is none, those in a folder of that name; in the order of
    their paths; or the only one in a folder. What is written as a path, from `/`, `./`, `../` or `~` on, is on this
    machine; anything else is on the hub, whatever lies here.
    """

    location: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.location}{at}" + (f" {self.file}" if self.file else "")


def find_files(source: PromptSource, *, split: Split = "train") -> list[Path]:
    """The parquet files that `source` means, on this machine; those of a hub data set are downloaded or cached.

    Raises SpecError for a source that means no file or several, EnvironmentProblem for a hub that cannot be reached.
    """
    if not is_path(source.location):
        return _hub_files(source, split)
    path = Path(source.location).expanduser()
    if not path.exists():
        raise SpecError(f"prompts {source}: there is no file or folder {source.location!r}; correct the path")
    if source.revision is not None:
        raise SpecError(f"prompts {source}: {path} is on this machine, so it has no revision; leave `revision` out")
    if path.is_dir():
        only = list(path.rglob("*.parquet"))
        return only if source.file is None and len(only) == 1 else _choose(path, source, split)
    if source.file is not None:
        raise SpecError(f"prompts {source}: {path} is a file, so it holds no `file` {source.file!r}; leave it out")
    return [path]


def _hub_files(source: PromptSource, split: Split) -> list[Path]:
    reason = reason_against_place(source.location)
    if reason is not None:
        raise SpecError(f"prompts: {reason}")
    if source.revision is None:
        raise SpecError(
            f"prompts {source}: a hub data set changes, so it needs a `revision` (best the hash of a commit); add it"
        )
    # The cache may hold a part of the data set only, so the only file there need not be the only one.
    return _choose(_snapshot(source, source.revision, split), source, split)


def _snapshot(source: PromptSource, revision: str, split: Split) -> Path:
    """The folder in the hub's cache; a revision that is there already needs no network."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    wanted = [source.file or f"*{split}*.parquet"]
    try:
        folder = snapshot_download(source.location, repo_type="dataset", revision=revision, allow_patterns=wanted)
    except GatedRepoError as error:
        raise EnvironmentProblem(
            f"prompts {source}: the hub lends this data set to permitted users only: accept its terms there and log in"
        ) from error
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise SpecError(
            f"prompts {source}: the Hugging Face hub has no data set {source.location!r} with revision {revision!r} "
            "that you may read; correct the name or the revision"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise EnvironmentProblem(
            f"prompts {source}: cannot fetch the data set from the Hugging Face hub: {reason}. Check the network, or "
            "give the path of a folder that holds its parquet files"
        ) from error
    return Path(folder)


def _choose(folder: Path, source: PromptSource, split: Split) -> list[Path]:
    """The file that `source` names, else those of the split."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.parquet")) if path.is_file()}
    if source.file is not None:
        if source.file not in paths:
            raise SpecError(f"prompts {source}: there is no parquet file {source.file!r} there{_instead(list(paths))}")
        return [paths[source.file]]
    word = re.compile(rf"(?<![a-z0-9]){split}(?![a-z0-9])", re.IGNORECASE)  # as in `x_train-0001.parquet`
    named = [path for path in paths.values() if word.search(path.name)]
    chosen = named or [path for name, path in paths.items() if split in name.lower().split("/")[:-1]]
    if not chosen:
        raise SpecError(
            f"prompts {source}: no parquet file there has the word `{split}` in its name{_instead(list(paths))}; name "
            + ("the one to train on with `file`" if split == "train" else "the file of held-out problems itself")
        )
    return chosen


def _instead(names: list[str], limit: int = 10) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f" (but {', '.join(names[:limit])}{rest})" if names else ""
