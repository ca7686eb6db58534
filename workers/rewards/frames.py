"""How pool and worker talk: frames of four length bytes and JSON, so that nothing a worker sends can be executed."""

from __future__ import annotations

import json
import struct
from typing import Any

_LENGTH = struct.Struct("!I")


class FrameError(Exception):
    """What came in is no frame of ours."""


def pack(message: object) -> bytes:
    """One message as bytes. Any text travels, lone surrogates too: JSON writes them in ASCII."""
    body = json.dumps(message).encode("ascii")
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Turns a stream of bytes, in whatever pieces, into messages. Longer frames than `longest` are refused."""

    def __init__(self, *, longest: int = 2**31) -> None:
        self._longest = longest
        self._received = bytearray()

    def feed(self, piece: bytes) -> list[Any]:
        """The messages that this piece completes. Raises FrameError."""
        self._received += piece
        messages = []
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            if length > self._longest:
                raise FrameError(f"a message of {length} bytes, where at most {self._longest} are expected")
            end = _LENGTH.size + length
            if len(self._received) < end:
                break
            messages.append(_unpack(bytes(self._received[_LENGTH.size : end])))
            del self._received[:end]
        return messages


def _unpack(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError("a message that is not JSON") from error
