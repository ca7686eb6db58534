"""The records of a W&B offline run's file, one protobuf message each.

The framing is LevelDB's log format: blocks of 32 KiB, in them fragments with a checksum, a length and a type. W&B's
own reader of it is no longer part of its Python package; its message types are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db.errors import EnvironmentProblem, SpecError

_MAGIC = b":W&B"
_FILE_HEADER = 7
_BLOCK = 32 * 1024
_FRAGMENT = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def read_records(path: Path) -> Iterator[Any]:
    """The messages of a `.wandb` file, up to where a crash cut it off. SpecError if it is none, or damaged."""
    message = _message_type()
    content = path.read_bytes()
    if content[:4] != _MAGIC:
        raise SpecError(f"{path} is not the file of a W&B run.")
    whole = b""
    for kind, data in _fragments(content, path):
        whole = data if kind in (_FULL, _FIRST) else whole + data
        if kind in (_FULL, _LAST):
            record = message()
            record.ParseFromString(whole)
            yield record


def _message_type() -> Any:
    try:
        from wandb.proto.wandb_internal_pb2 import Record
    except ImportError as error:
        raise EnvironmentProblem("Reading W&B runs needs wandb; install rlsweep[wandb].") from error
    return Record


def _fragments(content: bytes, path: Path) -> Iterator[tuple[int, bytes]]:
    at = _FILE_HEADER
    while at + _FRAGMENT.size <= len(content):
        left = _BLOCK - at % _BLOCK
        if left < _FRAGMENT.size:
            at += left  # the end of a block that is too short for a fragment is padding
            continue
        checksum, length, kind = _FRAGMENT.unpack_from(content, at)
        data = content[at + _FRAGMENT.size : at + _FRAGMENT.size + length]
        if len(data) < length or kind == 0:
            return
        if zlib.crc32(bytes([kind]) + data) != checksum:
            raise SpecError(f"{path} is damaged at byte {at}.")
        yield kind, data
        at += _FRAGMENT.size + length
