"""Files that hold personal data: readable by their owner alone, and there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from reconciler.errors import InvalidInput


def write_atomically(path: str | Path, data: bytes) -> None:
    """Put ``data`` into ``path`` with mode 0600; a reader sees the old file or the new one, never half of one.

    Raises `InvalidInput` if the folder isn't there or can't be written.
    """
    target = Path(path)
    try:
        # A pipe or device is written to, not replaced.
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        # mkstemp makes the file readable for its owner only.
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInput(
            f"{path} can't be written: {error.strerror}", hint="check the folder and its rights"
        ) from None
