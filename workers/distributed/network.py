"""Addresses and ports by which the processes of a trial reach each other."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"

_INTERFACE = "GLOO_SOCKET_IFNAME"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that no other trial of the host is given while this one holds it; its own rendezvous may bind it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
        yield holder.getsockname()[1]


def interface_variables(address: str) -> dict[str, str]:
    """Environment variables that have gloo listen at this machine's `address`, where nobody has chosen another.

    By itself it takes what the host's name stands for, which is loopback on many machines. NCCL looks at the
    interfaces.
    """
    name = _interface_of(address)
    return {} if name is None or _INTERFACE in os.environ else {_INTERFACE: name}


def _interface_of(address: str) -> str | None:
    """None where the address is no interface's: one that a router translates."""
    import psutil

    interfaces = psutil.net_if_addrs().items()
    return next((name for name, addresses in interfaces if any(each.address == address for each in addresses)), None)
