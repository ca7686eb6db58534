"""A corpus of broken sweep files, each with the exact message that its writer gets.

After a change of wording: RLSWEEP_RENEW_EXPECTED=1 pytest tests/unit/test_broken_files.py, then read the difference
of tests/broken/expected.txt as somebody who has made that mistake.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep

FOLDER = Path(__file__).parents[1] / "broken"
FILES = sorted(file.relative_to(FOLDER) for file in FOLDER.glob("*.yaml"))
EXPECTED = FOLDER / "expected.txt"
RENEW = "RLSWEEP_RENEW_EXPECTED"


def message(file: Path) -> str:
    with pytest.raises(InvalidSweep) as caught:
        load_sweep(file)
    return str(caught.value)


def expected() -> dict[str, str]:
    sections = EXPECTED.read_text(encoding="utf-8").split("== ")[1:]
    return {name: text.strip() for name, _, text in (section.partition("\n") for section in sections)}


@pytest.fixture(autouse=True)
def in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name files as the user has: from where he stands."""
    monkeypatch.chdir(FOLDER)


@pytest.mark.skipif(RENEW not in os.environ, reason=f"only with {RENEW}")
def test_the_expected_messages_are_renewed() -> None:
    sections = [f"== {file}\n{message(file)}\n" for file in FILES]
    EXPECTED.write_text("\n".join(sections), encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_broken_file_is_refused_in_these_words(file: Path) -> None:
    assert message(file) == expected()[str(file)]


def test_every_expected_message_has_its_file() -> None:
    assert list(expected()) == [str(file) for file in FILES]
    assert len(FILES) >= 70
