"""How a store stands, for whoever looks after it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """``version`` is that of the store's tables (0: it has none); ``unwritable`` says why it can't be written, if so.

    ``clock`` is the clock text of the server behind the store, if it has one of its own.
    """

    version: int
    unwritable: str | None = None
    clock: str | None = None
