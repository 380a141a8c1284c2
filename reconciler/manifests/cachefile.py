"""The file behind a cache: its tables, and whether it is trusted.

It can be deleted at any time; it is thrown away when this program has changed, and not trusted if somebody else could
have written it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Rises when a table changes.
FORMAT: Final = 2

_TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE files (id INTEGER PRIMARY KEY, folder TEXT, entry TEXT, size INTEGER, modified INTEGER, "
    "changed INTEGER, inode INTEGER, device INTEGER, read_at INTEGER, content BLOB, "
    "first INTEGER, last INTEGER, generation INTEGER, claims BLOB, findings TEXT, UNIQUE (folder, entry))",
    "CREATE TABLE fleets (name TEXT PRIMARY KEY, generation INTEGER, files INTEGER, accounts INTEGER, crossed TEXT)",
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, file INTEGER, account_id TEXT, digest BLOB, offset INTEGER, "
    "length INTEGER, line INTEGER, products INTEGER, ending INTEGER, endings TEXT, wanted TEXT, rest TEXT)",
    "CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT UNIQUE, generation INTEGER, mark TEXT, digest TEXT, "
    "totals TEXT)",
    "CREATE TABLE changes (generation INTEGER, account_id TEXT)",
    "CREATE TABLE settled (scope INTEGER, account_id TEXT, declared INTEGER, known TEXT, observed_at TEXT, "
    "since INTEGER, until INTEGER, products INTEGER, held INTEGER, rest TEXT, outcome TEXT, "
    "PRIMARY KEY (scope, account_id)) WITHOUT ROWID",
    "CREATE INDEX settled_for_a_while ON settled (scope, until) WHERE until IS NOT NULL",
    "CREATE INDEX settled_with_outcome ON settled (scope, account_id) WHERE outcome IS NOT NULL",
    "CREATE INDEX settled_with_rest ON settled (scope, account_id) WHERE rest IS NOT NULL",
)
#: What SQLite files say of themselves: this is a cache of ours.
_APPLICATION: Final = 0x50575263
#: Files beside the cache from which SQLite would take parts of it.
_COMPANIONS: Final = ("-journal", "-wal", "-shm")
#: KiB of pages that are held in memory.
_PAGES: Final = 48 * 1024


def temporary_file(*, on_disk: bool) -> sqlite3.Connection:
    """New tables that are gone with the process, in a file or in memory; a transaction has begun."""
    # An empty name is a file that SQLite deletes as soon as it has it.
    connection = sqlite3.connect("" if on_disk else ":memory:", isolation_level=None)
    _prepare(connection, "")
    return connection


def cache_file(path: Path, program: str) -> sqlite3.Connection | None:
    """The tables in the file at ``path``, made anew if it isn't ``program``'s; a transaction has begun.

    ``None`` if another process is using the file, it can't be written, or it is another program's database.
    """
    for _ in range(2):
        with suppress(OSError, sqlite3.Error):
            for each in (path, *(path.with_name(path.name + end) for end in _COMPANIONS)):
                if os.path.lexists(each) and not _is_ours(each):
                    each.unlink()
            connection = sqlite3.connect(path, isolation_level=None, timeout=0)
            try:
                os.chmod(path, 0o600)  # noqa: PTH101 (one call, no Path needed)
                _prepare(connection, program)
            except BaseException as error:
                connection.close()
                locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
                if locked or isinstance(error, _Foreign):
                    return None
                if isinstance(error, sqlite3.DatabaseError):
                    path.unlink()
                raise
            return connection
    return None


def _prepare(connection: sqlite3.Connection, program: str) -> None:
    execute = connection.execute
    execute(f"PRAGMA cache_size = -{_PAGES}")
    execute("PRAGMA synchronous = NORMAL")
    execute("BEGIN EXCLUSIVE")
    tables = [name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    is_ours = execute("PRAGMA application_id").fetchone() == (_APPLICATION,)
    if tables and not is_ours:
        raise _Foreign
    if not ("meta" in tables and _made_by(connection) == f"{FORMAT} {program}"):
        execute(f"PRAGMA application_id = {_APPLICATION}")
        for name in tables:
            execute(f"DROP TABLE {name}")  # named by SQLite itself
        for statement in _TABLES:
            execute(statement)
        execute("INSERT INTO meta VALUES ('program', ?)", (f"{FORMAT} {program}",))
        execute("INSERT INTO meta VALUES ('generation', 0)")
    execute("CREATE TEMP TABLE present (file INTEGER PRIMARY KEY)")


def _made_by(connection: sqlite3.Connection) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'program'").fetchone()
    return None if row is None else str(row[0])


class _Foreign(Exception):
    """The file holds another program's tables."""


def _is_ours(path: Path) -> bool:
    """True if nobody else could have put the file there: what comes out of a repository can be read by all."""
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
