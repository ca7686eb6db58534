"""The store by which the processes of a trial find each other, hosted on one address alone.

Left to itself, the first process would host it on every address of the machine, for whoever is on the network.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def hosted_store(address: str) -> Iterator[int]:
    """Host a store at an `address` of this machine while the block runs; yields its port, which nobody else has."""
    from torch._C._distributed_c10d import TCPStore

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind((address, 0))
        listening.listen()
        port: int = listening.getsockname()[1]
        store = TCPStore(
            address, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
        )  # fmt: skip
    try:
        yield port
    finally:
        del store  # it listens no more


def store_variables(address: str, port: int) -> dict[str, str]:
    """Environment variables by which torch.distributed joins a store that is hosted already.

    As under torchrun, whose agent hosts it: else the first process would host another one there.
    """
    return {"MASTER_ADDR": address, "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
