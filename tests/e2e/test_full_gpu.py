"""Two GPUs, of which a stranger's memory fills one: all trials run on the other, and nothing fails.

Ray is told of GPUs that are not there, and what asks the driver for their memory is answered by a script. The attempts
have nothing to train.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from db.database import open_database, resolve_url
from db.reader import Reader
from tests.conftest import TINY_SWEEP
from tests.unit.test_gpu_room import NVIDIA_SMI

DRIVER = """
import os, sys
from dataclasses import replace
from pathlib import Path
import ray
from db.database import open_database, resolve_url
from orchestrator.artifact_places import artifact_places
from orchestrator.launching.launches import launches_of
from orchestrator.registration import register, remaining
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.retry import Retry
from workers.spec import Execution

folder = Path(sys.argv[1])
url = resolve_url(str(folder / "rlsweep.db"))
engine = open_database(url)
loaded = load_sweep(folder / "tiny.yaml", ["model=[small]", "seed=[1, 2, 3]", "budgets.at=[2]"])
registration = register(engine, loaded)
places = artifact_places(str(folder), url)
places.folder.make()
launches = launches_of(remaining(engine, registration.sweep_id), registration, loaded.trials, places)
launches = [
    replace(launch, execution=Execution(gpus=1), program="benchmarks.no_op_attempt", gpu_wait_seconds=1.0)
    for launch in launches
]
ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
from orchestrator.launching.tuning import run_trials
run_trials(launches, database=url, retry=Retry(), max_concurrent=None, keeps_places=False,
           storage_folder=folder / "ray", is_replaced=lambda: False)
"""


def test_a_gpu_that_stays_full_is_set_aside_and_its_trial_runs_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY_SWEEP)
    (tmp_path / "gpus").write_text("0, 60000, 81559\n1, 540, 81559\n")
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Set aside until it is empty: GPU 0 has 58.6 of 79.6 GiB in use." in done.stdout
    reader = Reader(open_database(resolve_url(str(tmp_path / "rlsweep.db")), create=False))
    for row in reader.trials(reader.sweep("tiny").id):
        assert row.state == "succeeded"
        assert len(reader.attempts(row.trial_id)) == 1
