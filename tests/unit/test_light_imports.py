"""The command line answers at once: what it must not import before it has to."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "trl", "scipy", "transformers", "vllm", "pandas", "numpy", "matplotlib", "datasets", "pyarrow")


def imported_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after running `code`."""
    report = f"\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + report], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nfrom orchestrator.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass"
    assert imported_by(code) == set()


@pytest.mark.parametrize("command", ["submit", "status", "show", "fit", "plot", "validate", "sql", "export"])
def test_the_help_of_every_command_imports_nothing_heavy(command: str) -> None:
    code = f"from orchestrator.cli import app\ntry: app(['{command}', '--help'])\nexcept SystemExit: pass"
    assert imported_by(code) == set()


def test_checking_a_sweep_file_imports_nothing_heavy() -> None:
    code = (
        "from pathlib import Path\nfrom orchestrator.sweepfile.loading import load_sweep\n"
        "load_sweep(Path('sweeps/quickstart.yaml'))"
    )
    assert imported_by(code) == set()


def test_the_store_imports_nothing_heavy() -> None:
    assert imported_by("import db.store, db.reader, db.database") == set()
