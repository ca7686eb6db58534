"""The network interface by which the processes of a trial reach each other."""

from __future__ import annotations

import os

_INTERFACE = "GLOO_SOCKET_IFNAME"


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
