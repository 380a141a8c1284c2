"""Reads the bytes of manifests; what they say is not looked at here.

What lies at a path may come from strangers: no link is followed, nothing but regular files is opened, and no file is
read past its limit.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import BinaryIO, Final, NamedTuple

from reconciler.diagnostics import Diagnostic, Position
from reconciler.errors import InvalidInput

#: The largest manifest that is read, in bytes.
MAX_BYTES: Final = 8 * 1024 * 1024
#: The path that means standard input, and the name that its findings carry.
STDIN: Final = "-"
STDIN_NAME: Final = "<stdin>"

_SIGNED: Final = (1 << 63) - 1
# Where the system has them: a link put in place after the walk isn't followed, a FIFO doesn't block.
_OPEN_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


class ManifestFile(NamedTuple):
    """A manifest to be read: the ``name`` that positions carry, and its real ``path`` (``None``: standard input)."""

    name: str
    path: str | None = None


def read_manifest(file: ManifestFile, stdin: BinaryIO | None = None) -> bytes | Diagnostic:
    """The bytes of a manifest, or the finding that it can't be read or is over `MAX_BYTES`."""
    if file.path is not None:
        found = read_whole(file)
        return found if isinstance(found, Diagnostic) else found[0]
    try:
        data = (stdin or sys.stdin.buffer).read(MAX_BYTES + 1)
    except OSError as error:
        return cant_be_read(file.name, error)
    return _too_large(file.name) if len(data) > MAX_BYTES else data


def read_whole(file: ManifestFile) -> tuple[bytes, tuple[int, ...]] | Diagnostic:
    """The bytes of a manifest that has a path, and its signature from before they were read, or as `read_manifest`."""
    return _opened(file, lambda descriptor, size: _read(descriptor, size, MAX_BYTES + 1))


def read_part(file: ManifestFile, offset: int, length: int) -> bytes | Diagnostic:
    """Some bytes of a manifest that has a path (``length`` 0: all), or as `read_manifest`."""

    def read(descriptor: int, size: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return _read(descriptor, length, length)

    found = _opened(file, read) if length else read_whole(file)
    return found if isinstance(found, Diagnostic) else found[0]


def _opened(file: ManifestFile, read: Callable[[int, int], bytes]) -> tuple[bytes, tuple[int, ...]] | Diagnostic:
    """What ``read`` makes of an open file and its size, and the file's signature."""
    assert file.path is not None
    try:
        descriptor = os.open(file.path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return not_a_file(file.name, "isn't a regular file")
            if status.st_size > MAX_BYTES:
                return _too_large(file.name)
            data = read(descriptor, status.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return not_a_file(file.name, "isn't a regular file")
        return cant_be_read(file.name, error)
    return _too_large(file.name) if len(data) > MAX_BYTES else (data, signature_of(status))


def _read(descriptor: int, size: int, most: int) -> bytes:
    """What is left of a file, up to ``most`` bytes: ``size``, unless it changes, and then there is no more of it."""
    data = os.read(descriptor, min(size + 1, most))
    while len(data) != size and len(data) < most and (more := os.read(descriptor, most - len(data))):
        data += more
    return data


class ChangedMeanwhile(InvalidInput):
    """A manifest isn't any more what it was when it was read first."""


def changed_meanwhile(name: str) -> ChangedMeanwhile:
    """The refusal for such a manifest."""
    return ChangedMeanwhile(f"{name} changed while it was read", hint="run the command again when nobody writes to it")


def signature_of(status: os.stat_result) -> tuple[int, ...]:
    """What tells an unchanged file without reading it: size, both times (nanoseconds), inode and device."""
    # An inode can have all 64 bits set, which SQLite's numbers can't.
    inode, device = status.st_ino & _SIGNED, status.st_dev & _SIGNED
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode, device)


def not_a_file(name: str, reason: str) -> Diagnostic:
    """The finding that there is no manifest at ``name``; ``reason`` says what this is or isn't."""
    hint = "put a regular file there, or give - to read standard input"
    return Diagnostic("not-a-file", f"this {reason}", Position(name), hint)


def _too_large(name: str) -> Diagnostic:
    return Diagnostic(
        "file-too-large", "this file is over 8 MiB", Position(name), "split it: a file may hold fewer accounts"
    )


def cant_be_read(name: str, error: OSError) -> Diagnostic:
    """The finding that a system call failed."""
    reason = (error.strerror or "unknown reason").lower()
    return Diagnostic("unreadable", f"this can't be read: {reason}", Position(name), "check who may read it")
