"""Numbered migrations: a store remembers those that made it, each by its checksum.

A migration that was released is never edited: stores that it made would be refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler import canonical
from reconciler.errors import StoreFailed

#: The table in which a store remembers its migrations.
LEDGER: Final = """CREATE TABLE migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. ``number`` counts from 1."""

    number: int
    name: str
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """What a store remembers of it."""
        return canonical.digest([self.name, *self.statements])


def version_in(done: Mapping[int, str], known: Sequence[Migration], place: str) -> int:
    """The number of the last migration that made a store; ``done`` are its checksums by number.

    Raises `StoreFailed` for a store of a newer version, or whose migrations aren't those that are ``known``.
    """
    newest = known[-1].number
    last = max(done, default=0)
    if last > newest:
        raise StoreFailed(
            f"state store {place}: it was written by a newer version (schema {last}, this one knows {newest})",
            hint="upgrade payway-reconciler",
        )
    for migration in known[:last]:
        if done.get(migration.number) != migration.checksum:
            raise StoreFailed(
                f"state store {place}: its schema {migration.number} isn't the one that this version knows",
                hint="it was made by an unreleased or altered version; export there, import here",
            )
    return last


def older(place: str, version: int, hint: str) -> StoreFailed:
    """The refusal of a reader that meets an older schema, which it may not change."""
    return StoreFailed(
        f"state store {place}: it has an older schema ({version}), and reading may not change that", hint=hint
    )
