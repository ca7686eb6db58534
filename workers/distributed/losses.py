"""What became of the other processes of a trial, from whoever hears of it first.

A process that fails takes the others with it: they lose their connections. So of several losses the one that tells
most is the cause, and whoever was merely left alone waits a little for the others' reasons before it gives its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_LEFT_ALONE = ("nccl", "timeout")  # what a process says that lost the others


@dataclass(frozen=True)
class Loss:
    """Why a process ended too early: the class of its failure and a sentence."""

    failure: str
    message: str

    @property
    def is_telling(self) -> bool:
        return not is_left_alone(self.failure)

    def as_dict(self) -> dict[str, Any]:
        return {"failure": self.failure, "message": self.message}


def is_left_alone(failure: str) -> bool:
    """Whether a failure of that class may be another process's, seen from here."""
    return failure in _LEFT_ALONE


def most_telling(losses: Sequence[Loss]) -> Loss | None:
    """The first that is more than having been left alone, else the first; None where there is none."""
    return next((each for each in losses if each.is_telling), losses[0] if losses else None)


class Others:
    """Those that take part in a trial beside the leader, `parties` of them, as far as anybody has heard of them."""

    def __init__(self, parties: int) -> None:
        self._losses: list[Loss] = []
        self._silent = parties
        self._changed = threading.Condition()

    def ended(self, loss: Loss | None) -> None:
        """One of the parties has come to its end; None: to a good one."""
        with self._changed:
            self._silent -= 1
            if loss is not None:
                self._losses.append(loss)
            self._changed.notify_all()

    def wait_for_loss(self) -> bool:
        """Until one is lost (True), or all have ended well."""
        with self._changed:
            self._changed.wait_for(lambda: self._losses or not self._silent)
            return bool(self._losses)

    def wait_for_all(self, seconds: float) -> None:
        """Until all have ended, or `seconds` have passed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._silent, seconds)

    def why(self, seconds: float) -> Loss | None:
        """The cause, once a loss tells it, or all have ended, or `seconds` have passed; None: nobody was lost."""
        with self._changed:
            self._changed.wait_for(lambda: not self._silent or any(each.is_telling for each in self._losses), seconds)
            return most_telling(self._losses)
