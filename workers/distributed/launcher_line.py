"""How the leader of a trial on several nodes talks to who launched it, which has a place on each of the others.

A pair of sockets, JSON in lines. The launcher says by which address the other nodes reach this one;
the leader says what they are to do; then the launcher says of each node how it ended. The end of the line ends what
runs on the other nodes.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from workers.distributed.losses import Loss
from workers.distributed.plans import Order


class LauncherLine:
    """The leader's end. `address` is that of its own node, as the others reach it."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self.address: str = json.loads(lines.readline())["address"]

    def send(self, order: Order) -> None:
        """Have all other nodes take part."""
        self._lines.write(order.model_dump_json() + "\n")
        self._lines.flush()

    def ends(self) -> Iterator[Loss | None]:
        """How each node ended, as it does; until all have, or the line ends."""
        with suppress(OSError, ValueError):  # closed under us: the trial is over
            for line in self._lines:
                loss = json.loads(line)["loss"]
                yield None if loss is None else Loss(**loss)


@contextmanager
def launcher_line(descriptor: int) -> Iterator[LauncherLine]:
    """The line whose end was inherited as this file descriptor."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rw") as lines:
        try:
            yield LauncherLine(lines)
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # ends `ends` in whatever thread


def greeting(address: str) -> str:
    """What the launcher says first."""
    return _line({"address": address})


def ended(loss: Loss | None) -> str:
    """What the launcher says of a node."""
    return _line({"loss": None if loss is None else loss.as_dict()})


def _line(what: dict[str, Any]) -> str:
    return json.dumps(what) + "\n"
