"""Plain values as bytes and back: all that crosses between a solution and the tests that judge it.

Only None, bool, int, float, complex, str, bytes, tuple, list, set, frozenset and dict come out of `decode`, of exactly
these types, whatever the bytes are: no class of the sender, so no comparison of the sender's, ever reaches the reader.
A subclass (a Counter, a named tuple) is sent as the plain value that it holds. Neither `pickle`, which runs code, nor
`marshal`, which trusts its input, would do.
"""

from __future__ import annotations

import os
import struct

# Types for the checker of types alone: `typing` would make every start of a sandbox a third slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# Deeper nesting than any test needs, far below where Python's own recursion ends.
MOST_NESTING = 200
_LENGTH = struct.Struct("<Q")
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_CONSTANTS = {b"N": None, b"T": True, b"F": False}
_SERIES: dict[bytes, Callable[[Iterable[Any]], Any]] = {b"l": list, b"t": tuple, b"s": set, b"z": frozenset}


class NotPlainError(Exception):
    """A value that may not cross, or bytes that are no plain value."""


def encode(value: object) -> bytes:
    """The bytes of a plain value."""
    pieces: list[bytes] = []
    _encode(value, pieces.append, 0)
    return b"".join(pieces)


def decode(data: bytes) -> Any:
    """The plain value of bytes from anybody."""
    value, end = _decode(data, 0, 0)
    if end != len(data):
        raise NotPlainError("bytes are left over after the value")
    return value


def send(descriptor: int, value: object, most_bytes: int) -> None:
    """Write a value, after its length, to a pipe."""
    message = encode(value)
    if len(message) > most_bytes:
        raise NotPlainError(f"a value of {len(message)} bytes, above the limit of {most_bytes}")
    rest = memoryview(_LENGTH.pack(len(message)) + message)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int, most_bytes: int) -> Any:
    """Read one value; EOFError when the other end has gone."""
    (length,) = _LENGTH.unpack(_read_exactly(descriptor, _LENGTH.size))
    if length > most_bytes:
        raise NotPlainError(f"a value of {length} bytes, above the limit of {most_bytes}")
    return decode(_read_exactly(descriptor, length))


def _read_exactly(descriptor: int, length: int) -> bytes:
    pieces = []
    while length:
        piece = os.read(descriptor, min(length, 2**20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _encode(value: Any, put: Callable[[bytes], object], depth: int) -> None:
    """Subclasses are read by the methods of their plain base, so theirs have no say."""
    if depth > MOST_NESTING:
        raise NotPlainError(f"a value nested more than {MOST_NESTING} deep")
    if value is None or value is True or value is False:
        put(b"N" if value is None else b"T" if value is True else b"F")
    elif isinstance(value, int):
        _put_sized(b"i", int.to_bytes(value, int.bit_length(value) // 8 + 1, "little", signed=True), put)
    elif isinstance(value, float):
        put(b"f" + _FLOAT.pack(value))
    elif isinstance(value, str):
        _put_sized(b"u", str.encode(value, "utf-8", "surrogatepass"), put)
    elif isinstance(value, bytes):
        _put_sized(b"b", bytes(memoryview(value)), put)
    elif isinstance(value, complex):
        put(b"c" + _COMPLEX.pack(value.real, value.imag))
    elif isinstance(value, dict):
        _put_series(b"d", (part for pair in list(dict.items(value)) for part in pair), put, depth)
    else:
        for mark, kind in _SERIES.items():
            if isinstance(value, kind):  # type: ignore[arg-type]
                _put_series(mark, kind.__iter__(value), put, depth)  # type: ignore[attr-defined]
                return
        raise NotPlainError(f"a value of type {type(value).__name__}, which is no plain value")


def _put_sized(mark: bytes, content: bytes, put: Callable[[bytes], object]) -> None:
    put(mark + _LENGTH.pack(len(content)))
    put(content)


def _put_series(mark: bytes, items: Iterator[Any], put: Callable[[bytes], object], depth: int) -> None:
    members = list(items)
    put(mark + _LENGTH.pack(len(members)))
    for member in members:
        _encode(member, put, depth + 1)


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where the next one does."""
    if depth > MOST_NESTING:
        raise NotPlainError(f"a value nested more than {MOST_NESTING} deep")
    mark, at = data[at : at + 1], at + 1
    if mark in _CONSTANTS:
        return _CONSTANTS[mark], at
    if mark == b"f":
        return *_unpack(_FLOAT, data, at), at + _FLOAT.size
    if mark == b"c":
        return complex(*_unpack(_COMPLEX, data, at)), at + _COMPLEX.size
    (length,), at = _unpack(_LENGTH, data, at), at + _LENGTH.size
    # A member takes a byte at least, so a length above the rest is a lie, seen before anything is made that large.
    if length > len(data) - at:
        raise NotPlainError("bytes that end inside a value")
    if mark in (b"i", b"u", b"b"):
        return _scalar(mark, data[at : at + length]), at + length
    if mark == b"d":
        return _decode_dict(data, at, length, depth)
    if mark in _SERIES:
        members, at = _decode_members(data, at, length, depth)
        return _hashed(_SERIES[mark], members), at
    raise NotPlainError("bytes that begin no value")


def _unpack(layout: struct.Struct, data: bytes, at: int) -> tuple[Any, ...]:
    if at + layout.size > len(data):
        raise NotPlainError("bytes that end inside a value")
    return layout.unpack_from(data, at)


def _scalar(mark: bytes, content: bytes) -> int | str | bytes:
    if mark == b"i":
        return int.from_bytes(content, "little", signed=True)
    if mark == b"b":
        return content
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise NotPlainError("bytes that are no text") from error


def _decode_dict(data: bytes, at: int, length: int, depth: int) -> tuple[dict[Any, Any], int]:
    if length % 2:
        raise NotPlainError("a dict with a key and no value")
    members, at = _decode_members(data, at, length, depth)
    pairs = iter(members)
    return _hashed(dict, zip(pairs, pairs, strict=True)), at


def _decode_members(data: bytes, at: int, length: int, depth: int) -> tuple[list[Any], int]:
    members = []
    for _ in range(length):
        member, at = _decode(data, at, depth + 1)
        members.append(member)
    return members, at


def _hashed(kind: Callable[[Iterable[Any]], Any], members: Iterable[Any]) -> Any:
    try:
        return kind(members)
    except TypeError as error:
        raise NotPlainError("a list, set or dict where a hashable value must be") from error
