"""Answers judged in worker processes: order kept, one slow or deadly answer costs only itself.

Not for several threads at once, and a pool belongs to the thread that made it: workers end with that thread.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from db.errors import EnvironmentProblem
from workers.rewards import Answer, Mode, Verdict
from workers.rewards.process import State, WorkerProcess
from workers.rewards.programs import ProgramJudge, is_program
from workers.rewards.sources import check_sources

GRACE = 0.5  # of the time limit: how long a worker has to notice by itself that time is over
_STARTS_THAT_FAIL = 3
_OUTCOMES = ("scored", "no_answer", "exception", "timed_out")


@dataclass
class _Call:
    """Where one call of `judge` stands: answers by number."""

    waiting: deque[int]
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    given_back: set[int] = field(default_factory=set)


class RewardPool:
    """Worker processes that start with the pool, in the background, and are replaced when they die, hang or wear out.

    `seconds_per_answer` is wall time, counted inside the worker from when it begins with an answer; one that does not
    notice is killed half as much later. `memory_bytes` limits each worker's address space. A worker is replaced after
    `answers_per_worker`, or when it holds half of that memory.
    """

    def __init__(
        self,
        *,
        processes: int = 2,
        seconds_per_answer: float = 5.0,
        memory_bytes: int = 2 << 30,
        answers_per_worker: int = 20_000,
    ) -> None:
        self._processes = processes
        self._judging_seconds = seconds_per_answer * (1 + GRACE)
        self._settings: dict[str, float | int] = {
            "seconds_per_answer": seconds_per_answer,
            "memory_bytes": memory_bytes,
            "recycle_bytes": memory_bytes // 2,
            "answers_per_worker": answers_per_worker,
        }
        self._workers: list[WorkerProcess] = []
        self._failed_starts = 0
        self._owner = os.getpid()

    def __enter__(self) -> RewardPool:
        self._fill()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if os.getpid() == self._owner:  # a forked copy of the trainer must not kill the trainer's workers
            while self._workers:
                self._workers.pop().end()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers there are."""
        return [worker.pid for worker in self._workers]

    def judge(self, answers: Sequence[Answer], *, mode: Mode, lenient: bool = False) -> list[Verdict]:
        """The verdict of each answer, in order. Answers of the same source, text and truth are judged once.

        Raises SpecError for a data source without a scorer, EnvironmentProblem where no worker can be started.
        """
        check_sources(answer.data_source for answer in answers)
        places: dict[tuple[str, str, str], list[int]] = {}
        for place, answer in enumerate(answers):
            key = (answer.data_source, answer.text, json.dumps(answer.truth, sort_keys=True))
            places.setdefault(key, []).append(place)
        texts = [key for key in places if not is_program(key[0])]
        programs = [key for key in places if is_program(key[0])]
        tasks = [
            {"source": source, "text": text, "truth": json.loads(truth), "mode": mode, "lenient": lenient}
            for source, text, truth in texts
        ]
        judged = dict(zip(texts, self._judge_all(tasks), strict=True))
        judged |= dict(
            zip(programs, self._judge_programs([answers[places[key][0]] for key in programs], mode), strict=True)
        )
        verdicts = {place: judged[key] for key, each in places.items() for place in each}
        return [verdicts[place] for place in range(len(answers))]

    def _judge_programs(self, answers: list[Answer], mode: Mode) -> list[Verdict]:
        if not answers:
            return []
        with ProgramJudge(at_once=self._processes) as programs:
            return programs.judge(answers, mode=mode)

    def _judge_all(self, tasks: list[dict[str, Any]]) -> list[Verdict]:
        call = _Call(deque(range(len(tasks))))
        try:
            while len(call.verdicts) < len(tasks):
                self._fill()
                for worker in self._workers:
                    if call.waiting and worker.state == "idle":
                        number = call.waiting.popleft()
                        worker.give(number, tasks[number])
                for worker in self._wait():
                    self._hear(worker, call)
                self._end_overdue(call)
        finally:  # interrupted: what is still being judged must not answer a later call
            for worker in [worker for worker in self._workers if worker.task is not None]:
                self._end(worker)
        return [call.verdicts[number] for number in range(len(tasks))]

    def _fill(self) -> None:
        while len(self._workers) < self._processes:
            self._workers.append(WorkerProcess(self._settings))

    def _wait(self) -> list[WorkerProcess]:
        """Until a worker has something to say, or the first of them has been silent for too long."""
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                writing = selectors.EVENT_WRITE if worker.wants_to_send else 0
                selector.register(worker, selectors.EVENT_READ | writing, worker)
            patience = min(worker.seconds_left(judging_seconds=self._judging_seconds) for worker in self._workers)
            events = selector.select(None if patience == float("inf") else max(patience, 0.0))
        for key, event in events:
            if event & selectors.EVENT_WRITE:
                key.data.send()
        return [key.data for key, event in events if event & selectors.EVENT_READ]

    def _hear(self, worker: WorkerProcess, call: _Call) -> None:
        state = worker.state
        message = worker.receive()
        if message is not None and worker.task is not None:
            call.verdicts[worker.task] = _verdict(message)
            worker.finish()
            if message.get("retires", True):
                self._end(worker)
        elif worker.state == "gone":
            status = self._end(worker)
            self._lose(worker, state, call, Verdict(None, "exception", reason=_died(status)))
        elif state == "starting":
            self._failed_starts = 0

    def _end_overdue(self, call: _Call) -> None:
        for worker in list(self._workers):
            if worker.is_overdue(judging_seconds=self._judging_seconds):
                state = worker.state
                self._end(worker)
                self._lose(worker, state, call, Verdict(None, "timed_out"))

    def _lose(self, worker: WorkerProcess, state: State, call: _Call, verdict: Verdict) -> None:
        """What a worker's end means, by what it was doing."""
        if state == "starting":
            self._count_failed_start(worker)
        elif state == "given" and worker.task not in call.given_back:  # it never began: not the answer's fault
            assert worker.task is not None
            call.given_back.add(worker.task)
            call.waiting.appendleft(worker.task)
        elif worker.task is not None:
            call.verdicts[worker.task] = verdict

    def _end(self, worker: WorkerProcess) -> int:
        self._workers.remove(worker)
        return worker.end()

    def _count_failed_start(self, worker: WorkerProcess) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _STARTS_THAT_FAIL:
            said = worker.complaint or "it said nothing; there may be too little memory"
            raise EnvironmentProblem(f"no process that judges answers can be started: {said}")


def _verdict(message: dict[str, Any]) -> Verdict:
    """Built from a message of the right types only: a worker has read text that nobody vouches for."""
    score, outcome, lenient = message.get("score"), message.get("outcome"), message.get("lenient")
    numbers = [number for number in (score, lenient) if number is not None]
    if outcome not in _OUTCOMES or not all(isinstance(each, int | float) and 0 <= each <= 1 for each in numbers):
        return Verdict(None, "exception", reason="the worker sent something that is no verdict")
    return Verdict(score, outcome, lenient, str(message.get("reason", "")))


def _died(status: int) -> str:
    if status < 0:
        return f"the process that judged it died of {signal.Signals(-status).name}"
    return f"the process that judged it ended with status {status}"
