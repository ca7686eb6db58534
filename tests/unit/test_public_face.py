"""`import rlsweep`: the public names, and the guard against files that hide our packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

import rlsweep


def test_open_reads_a_database(database: Engine) -> None:
    assert rlsweep.open(str(database.url)).sweeps() == []


def test_a_file_that_hides_one_of_our_packages_is_named(tmp_path: Path) -> None:
    (tmp_path / "db.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import rlsweep"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"rlsweep's package `db` is hidden by {tmp_path / 'db.py'}" in done.stderr
