"""Rounds of the sweep, each disturbed until it ends, until there were enough faults."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.databases import postgresql_server
from benchmarks.faults.accounts import Account, account
from benchmarks.faults.places import Place, own_ray, ray_of_nodes
from benchmarks.faults.remains import Remains, looked_over
from benchmarks.faults.sweep import TRIALS, undisturbed
from benchmarks.measure import print_figure
from orchestrator.commands.submit import EXIT_SOME_FAILED
from tests.e2e.command_line import CommandLine
from tests.postgresql import PostgresqlServer

_PAUSE_SECONDS = (5.0, 30.0)  # between two faults
_ROUND_SECONDS = 900.0


@dataclass
class Tally:
    """Over all rounds."""

    faults: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    rounds: int = 0
    accounts: list[Account] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def run_rounds(faults: int, *, random_seed: int) -> None:
    """Print what was killed, what that cost, and every problem; ends with 1 where there is one."""
    moments, tally = Random(random_seed), Tally()
    # Short: the names of Ray's sockets lie below it, and a socket's name has room for 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))
    try:
        with postgresql_server() as server:
            began = time.monotonic()
            reference = undisturbed(folder / "undisturbed", folder / "models")
            print_figure(f"the sweep undisturbed: {TRIALS} trials", f"{time.monotonic() - began:.0f} s")
            while tally.faults.total() < faults:
                _round(tally, folder, reference, moments=moments, server=server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _report(tally, random_seed)


def _round(tally: Tally, folder: Path, reference: CommandLine, *, moments: Random, server: PostgresqlServer) -> None:
    tally.rounds += 1
    name = f"{os.getpid()}-{tally.rounds}"
    began, before = time.monotonic(), tally.faults.copy()
    with (
        looked_over(folder / f"t{tally.rounds}", name) as remains,
        _place(tally.rounds, folder, moments, server) as place,
    ):
        problems = _disturb(place, tally.faults)
        if not problems:
            tally.accounts.append(account(place.rlsweep, reference))
            problems = tally.accounts[-1].problems
    problems = [*problems, *_left(remains)]
    tally.drivers += place.drivers
    tally.problems += [f"round {tally.rounds}: {each}" for each in problems]
    killed = ", ".join(f"{number} x {what}" for what, number in (tally.faults - before).items())
    print(
        f"round {tally.rounds}, {time.monotonic() - began:.0f} s: {killed or 'nothing'}",
        flush=True,
    )
    for each in problems:
        print(f"  PROBLEM {each}", flush=True)
    if problems:
        kept = Path(tempfile.mkdtemp(prefix="rlsweep-faults-", dir="/tmp"))
        shutil.copytree(folder / f"r{tally.rounds}", kept, dirs_exist_ok=True, symlinks=True)
        print(f"  its folder: {kept}", flush=True)


def _place(number: int, folder: Path, moments: Random, server: PostgresqlServer) -> AbstractContextManager[Place]:
    home, models = folder / f"r{number}", folder / "models"
    if number % 2:
        return own_ray(home, models, moments)
    return ray_of_nodes(home, models, moments, server=server, ray_folder=folder / f"ray{number}")


def _disturb(place: Place, counts: Counter[str]) -> list[str]:
    """Kill until the sweep has ended; a driver that ended without having to is typed again, as one that was killed."""
    deadline, pause = time.monotonic() + _ROUND_SECONDS, place.moments.uniform(*_PAUSE_SECONDS)
    next_fault = time.monotonic() + pause
    while time.monotonic() < deadline:
        time.sleep(0.1)
        ended = place.driver.poll()
        if ended == 0:
            return []
        if ended == EXIT_SOME_FAILED:
            return [f"trials failed; the driver's last line: {_last_line(place.log)}"]
        if ended is not None:
            print(f"  a driver ended with {ended}: {_last_line(place.log)}", flush=True)
            place.start_driver()
        if time.monotonic() >= next_fault:
            # What was killed least in such a place, so that everything is killed about as often.
            what = min(place.faults, key=lambda each: (counts[place.named(each)], place.moments.random()))
            counts[place.named(what)] += place.faults[what]()
            next_fault = time.monotonic() + place.moments.uniform(*_PAUSE_SECONDS)
    return [f"the sweep did not end within {_ROUND_SECONDS:.0f} s; its driver's last line: {_last_line(place.log)}"]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "(it printed nothing)"


def _left(remains: Remains) -> list[str]:
    return [f"a process is left: {each}" for each in remains.processes] + [f"left: {each}" for each in remains.files]


def _report(tally: Tally, random_seed: int) -> None:
    lost = [steps for each in tally.accounts for steps in each.lost_steps]
    paid, useful = (sum(getattr(each, name) for each in tally.accounts) for name in ("paid_flops", "useful_flops"))
    print_figure("faults", tally.faults.total(), beside=", ".join(f"{n} {what}" for what, n in tally.faults.items()))
    print_figure(
        "sweeps of them, and drivers typed", f"{tally.rounds}, {tally.drivers}", beside=f"--random-seed {random_seed}"
    )
    if lost:
        mean, most = sum(lost) / len(lost), max(lost)
        print_figure("attempts that were lost", len(lost), beside=f"{mean:.1f} steps each, {most} at most")
    if useful:
        print_figure(
            "FLOPs paid for what was lost", f"{paid - useful:.4g}", beside=f"{paid / useful:.3f} x the undisturbed"
        )
    print_figure("problems", len(tally.problems), target="0", met=not tally.problems)
    if tally.problems:
        sys.exit(1)
