"""Files that hold personal data: readable by their owner alone, and there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import InvalidInput


def write_atomically(path: str | Path, data: bytes | Iterable[bytes]) -> None:
    """Put ``data`` into ``path`` with mode 0600; a reader sees the old file or the new one, never half of one.

    Pieces are written as they are made. A link is followed. Raises `InvalidInput` if the folder isn't there or can't
    be written.
    """
    pieces = (data,) if isinstance(data, bytes) else data
    try:
        target = _followed(path)
        # A pipe or device is written to, not replaced.
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                stream.writelines(pieces)
            return
        fresh = target.parent / f".reconciler-{os.urandom(8).hex()}"
        try:
            with open(fresh, "xb", opener=_owned) as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _cannot_write(path, error.strerror) from None


def check_writable(path: str | Path) -> None:
    """Raise `InvalidInput` if `write_atomically` can't work at ``path``: before there is anything to be lost."""
    try:
        target = _followed(path)
        if target.is_dir():
            raise _cannot_write(path, os.strerror(errno.EISDIR))
        if not target.parent.is_dir():
            raise _cannot_write(path, os.strerror(errno.ENOENT))
        # What is there and no file is written to; a file is replaced, for which its folder matters.
        if not os.access(target if target.exists() and not target.is_file() else target.parent, os.W_OK):
            raise _cannot_write(path, os.strerror(errno.EACCES))
    except OSError as error:
        raise _cannot_write(path, error.strerror) from None


def _owned(path: str, flags: int) -> int:
    """Open a file that only its owner can read."""
    return os.open(path, flags, 0o600)


def _followed(path: str | Path) -> Path:
    """Where a link to a file leads: the link stays, such as ``/dev/stdout`` when that is led into a file."""
    given = Path(path)
    if given.is_symlink() and (given.is_file() or not given.exists()):
        return Path(os.path.realpath(given))
    return given


def _cannot_write(path: str | Path, why: str | None) -> InvalidInput:
    return InvalidInput(f"{path} can't be written: {why}", hint="check the folder and its rights")
