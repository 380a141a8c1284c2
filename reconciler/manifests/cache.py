"""What was read of the manifests, kept in one SQLite file: rows by account, and what was already judged.

The cache is only ever a shortcut. It can be deleted at any time; it is thrown away when this program has changed, and
not trusted if somebody else could have written it. Without one, the same tables live in a temporary file.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.manifests.facts import Row
from reconciler.manifests.rows import FileRows

#: Rises when a table changes.
FORMAT: Final = 1

_TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE files (id INTEGER PRIMARY KEY, folder TEXT, entry TEXT, size INTEGER, modified INTEGER, "
    "changed INTEGER, inode INTEGER, device INTEGER, read_at INTEGER, content BLOB, "
    "first INTEGER, last INTEGER, claims BLOB, findings TEXT, UNIQUE (folder, entry))",
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, file INTEGER, account_id TEXT, digest BLOB, offset INTEGER, "
    "length INTEGER, line INTEGER, products INTEGER, ending INTEGER, endings TEXT, wanted TEXT, rest TEXT)",
    "CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT UNIQUE, generation INTEGER, mark TEXT, digest TEXT)",
    "CREATE TABLE changes (generation INTEGER, account_id TEXT)",
    "CREATE TABLE settled (scope INTEGER, account_id TEXT, declared INTEGER, known TEXT, observed_at TEXT, "
    "since INTEGER, until INTEGER, products INTEGER, held INTEGER, rest TEXT, outcome TEXT, "
    "PRIMARY KEY (scope, account_id)) WITHOUT ROWID",
    "CREATE INDEX settled_for_a_while ON settled (scope, until) WHERE until IS NOT NULL",
    "CREATE INDEX settled_with_outcome ON settled (scope, account_id) WHERE outcome IS NOT NULL",
    "CREATE INDEX settled_with_rest ON settled (scope, account_id) WHERE rest IS NOT NULL",
)
# Made when the first files are in: in one go that takes half the time.
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS rows_by_account ON rows (account_id, digest)",
    "CREATE INDEX IF NOT EXISTS rows_by_ending ON rows (ending) WHERE ending IS NOT NULL",
)
_ROW: Final = ", ".join(f"rows.{name}" for name in Row._fields)
_PUT_ROW: Final = f"INSERT INTO rows VALUES (?, ?, {', '.join('?' * len(Row._fields))})"  # noqa: S608
_PUT_FILE: Final = f"INSERT INTO files VALUES ({', '.join('?' * 14)})"  # noqa: S608
_COMPARED: Final = "rows.id, account_id, digest, products, wanted"
#: What SQLite files say of themselves: this is a cache of ours.
_APPLICATION: Final = 0x50575263
#: Files beside the cache from which SQLite would take parts of it.
_COMPANIONS: Final = ("-journal", "-wal", "-shm")
_UNSIGNED: Final = (None,) * 5
#: KiB of pages that are held in memory.
_PAGES: Final = 48 * 1024


class CachedFile(NamedTuple):
    """What is kept of a file: its number, its signature and when it was read (nanoseconds), its content's digest."""

    number: int
    signature: tuple[int, ...]
    read_at: int
    content: bytes


class Read(NamedTuple):
    """A file that was read: its ``folder``, its ``entry`` there, its number if it is kept already, and its rows."""

    folder: str
    entry: str
    old: int | None
    rows: FileRows


class Compared(NamedTuple):
    """What is compared of a row: its number in the cache, then as in `Row`."""

    number: int
    account_id: str
    digest: bytes
    products: int
    wanted: str


class Found(NamedTuple):
    """A whole row, and the file that it is from."""

    folder: str
    entry: str
    row: Row


class Cache:
    """The tables behind a fleet of manifests. Everything that is done with them until `save` is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._some = False
        self._whole: bool | None = None
        self.execute = connection.execute
        self.executemany = connection.executemany

    @classmethod
    def temporary(cls, *, on_disk: bool = True) -> Cache:
        """Tables that are gone with the process, in a file or in memory."""
        # An empty name is a file that SQLite deletes as soon as it has it.
        cache = cls(sqlite3.connect("" if on_disk else ":memory:", isolation_level=None))
        cache._prepare("")
        return cache

    @classmethod
    def open(cls, path: Path, program: str) -> Cache | None:
        """The cache in the file at ``path``, made anew if it isn't ``program``'s; ``None`` if it can't be had.

        So it is if another process is using it, it can't be written, or it is another program's database.
        """
        for _ in range(2):
            with suppress(OSError, sqlite3.Error):
                for each in (path, *(path.with_name(path.name + end) for end in _COMPANIONS)):
                    if os.path.lexists(each) and not _is_ours(each):
                        each.unlink()
                connection = sqlite3.connect(path, isolation_level=None, timeout=0)
                try:
                    os.chmod(path, 0o600)  # noqa: PTH101 (one call, no Path needed)
                    cache = cls(connection)
                    cache._prepare(program)
                except BaseException as error:
                    connection.close()
                    locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
                    if locked or isinstance(error, _Foreign):
                        return None
                    if isinstance(error, sqlite3.DatabaseError):
                        path.unlink()
                    raise
                return cache
        return None

    def _prepare(self, program: str) -> None:
        execute = self.execute
        execute(f"PRAGMA cache_size = -{_PAGES}")
        execute("PRAGMA synchronous = NORMAL")
        execute("BEGIN EXCLUSIVE")
        tables = [name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        is_ours = execute("PRAGMA application_id").fetchone() == (_APPLICATION,)
        if "meta" in tables and is_ours and self._meta("program") == f"{FORMAT} {program}":
            execute("CREATE TEMP TABLE present (file INTEGER PRIMARY KEY)")
            return
        if tables and not is_ours:
            raise _Foreign
        execute(f"PRAGMA application_id = {_APPLICATION}")
        for name in tables:
            execute(f"DROP TABLE {name}")  # named by SQLite itself
        for statement in _TABLES:
            execute(statement)
        execute("INSERT INTO meta VALUES ('program', ?)", (f"{FORMAT} {program}",))
        execute("INSERT INTO meta VALUES ('generation', 0)")
        execute("CREATE TEMP TABLE present (file INTEGER PRIMARY KEY)")

    def _meta(self, name: str) -> Any:
        row = self.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def save(self) -> None:
        """Keep what was put into the cache; failing to is no loss."""
        with suppress(sqlite3.Error):
            self.execute("COMMIT")

    def close(self) -> None:
        """Give the file back; what wasn't saved is gone."""
        self._connection.close()

    # Files and their rows.

    def files_in(self, folder: str) -> dict[str, CachedFile]:
        """What is kept of a folder's files, by entry."""
        sql = "SELECT entry, id, size, modified, changed, inode, device, read_at, content FROM files WHERE folder = ?"
        return {
            entry: CachedFile(number, tuple(signature), read_at, content)
            for entry, number, *signature, read_at, content in self.execute(sql, (folder,))
        }

    def folders(self) -> list[str]:
        """The folders of all files that are kept."""
        return [folder for (folder,) in self.execute("SELECT DISTINCT folder FROM files")]

    def put(self, files: Sequence[Read]) -> list[int]:
        """Keep the rows of some files, instead of those they had; returns the files' numbers."""
        numbers: list[int] = []
        file_values: list[tuple[Any, ...]] = []
        row_values: list[tuple[Any, ...]] = []
        (number, first) = self.execute(
            "SELECT (SELECT coalesce(max(id), 0) + 1 FROM files), (SELECT coalesce(max(id), 0) + 1 FROM rows)"
        ).fetchone()
        begin = first
        for folder, entry, old, rows in files:
            if old is not None:
                self.forget(old)
            last = first + len(rows.rows) - 1
            signature = rows.signature or _UNSIGNED
            values = (rows.read_at, rows.content, first, last, rows.claims, rows.findings)
            file_values.append((number, folder, entry, *signature, *values))
            row_values += [(place, number, *row) for place, row in enumerate(rows.rows, first)]
            numbers.append(number)
            number, first = number + 1, last + 1
        self.executemany(_PUT_FILE, file_values)
        self.executemany(_PUT_ROW, row_values)
        if self._scoped:
            self._log(begin, first - 1)
        return numbers

    def still(self, number: int, signature: Sequence[int], read_at: int) -> None:
        """A file that was read again holds what it held: only its signature is another one."""
        sql = "UPDATE files SET size = ?, modified = ?, changed = ?, inode = ?, device = ?, read_at = ? WHERE id = ?"
        self.execute(sql, (*(signature or _UNSIGNED), read_at, number))

    def forget(self, number: int) -> None:
        """Drop a file that is gone, and its rows."""
        (first, last) = self.execute("SELECT first, last FROM files WHERE id = ?", (number,)).fetchone()
        self._forget_rows(first, last)
        self.execute("DELETE FROM files WHERE id = ?", (number,))

    def _forget_rows(self, first: int, last: int) -> None:
        if self._scoped:
            self._log(first, last)
        self.execute("DELETE FROM rows WHERE id BETWEEN ? AND ?", (first, last))

    @property
    def _scoped(self) -> bool:
        self._some = self._some or self.execute("SELECT count(*) FROM scopes").fetchone()[0] > 0
        return self._some

    def _log(self, first: int, last: int) -> None:
        sql = (
            "INSERT INTO changes SELECT (SELECT value + 1 FROM meta WHERE name = 'generation'), account_id "
            "FROM rows WHERE id BETWEEN ? AND ?"
        )
        self.execute(sql, (first, last))

    def present(self, numbers: Iterable[int]) -> None:
        """Files that the fleet of this process consists of."""
        self.executemany("INSERT OR IGNORE INTO present VALUES (?)", ((number,) for number in numbers))

    def refreshed(self, *, changed: bool) -> None:
        """All files were put."""
        for statement in _INDEXES:
            self.execute(statement)
        if changed:
            self.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")
            self.execute("DELETE FROM meta WHERE name LIKE 'crossed %'")

    @property
    def generation(self) -> int:
        """Rises whenever a file changes."""
        return int(self._meta("generation"))

    # The fleet: the rows of the files that are present.

    def counts(self) -> tuple[int, int]:
        """Files that could be read, and accounts of the fleet."""
        sql = "SELECT coalesce(sum(content != x''), 0) FROM files WHERE id IN (SELECT file FROM present)"
        (files,) = self.execute(sql).fetchone()
        sql = f"SELECT count(DISTINCT account_id) FROM rows {self._of_fleet()}"  # noqa: S608
        (accounts,) = self.execute(sql).fetchone()
        return files, accounts

    def compared(self) -> Iterator[Compared]:
        """What is compared, of all accounts in their order."""
        sql = f"SELECT {_COMPARED} FROM rows {self._of_fleet()} ORDER BY account_id"  # noqa: S608
        return map(Compared._make, self.execute(sql))

    def compared_of(self, account_ids: Sequence[str]) -> dict[str, Compared]:
        """What is compared of some accounts, a page of them at most; those that nobody declares are left out."""
        marks = ", ".join("?" * len(account_ids))
        sql = f"SELECT {_COMPARED} FROM rows {self._of_fleet()} WHERE account_id IN ({marks})"  # noqa: S608
        return {row[1]: Compared._make(row) for row in self.execute(sql, account_ids)}

    def row(self, number: int) -> Found:
        """A whole row."""
        sql = f"SELECT folder, entry, {_ROW} FROM rows JOIN files ON files.id = file WHERE rows.id = ?"  # noqa: S608
        folder, entry, *values = self.execute(sql, (number,)).fetchone()
        return Found(folder, entry, Row._make(values))

    def described(self) -> Iterator[tuple[int, str, str, str]]:
        """Number, account, and both `reconciler.manifests.facts.Facts`, of all accounts in their order."""
        sql = f"SELECT rows.id, account_id, wanted, rest FROM rows {self._of_fleet()} ORDER BY account_id"  # noqa: S608
        return self.execute(sql)

    def ended(self, minute: int) -> Iterator[Found]:
        """The rows that time alone has brought a finding, up to ``minute``."""
        sql = (
            f"SELECT folder, entry, {_ROW} FROM rows {self._of_fleet()} JOIN files ON files.id = file "  # noqa: S608
            "WHERE ending <= ?"
        )
        for folder, entry, *values in self.execute(sql, (minute,)):
            yield Found(folder, entry, Row._make(values))

    def digests(self) -> Iterator[tuple[str, bytes]]:
        """Account and digest of all rows, in the order of accounts."""
        sql = f"SELECT account_id, digest FROM rows {self._of_fleet()} ORDER BY account_id, digest"  # noqa: S608
        return self.execute(sql)

    def _of_fleet(self) -> str:
        """What narrows rows to the files that are present; nothing where all are."""
        if self._whole is None:
            sql = "SELECT NOT EXISTS (SELECT 1 FROM files WHERE id NOT IN (SELECT file FROM present))"
            self._whole = bool(self.execute(sql).fetchone()[0])
        return "" if self._whole else "JOIN present USING (file)"

    def findings(self) -> Iterator[str]:
        """The findings of each file that has any."""
        sql = "SELECT findings FROM files WHERE findings IS NOT NULL AND id IN (SELECT file FROM present)"
        return (text for (text,) in self.execute(sql))

    def claims(self) -> Iterator[tuple[str, str, array[int]]]:
        """Folder, entry and the numbers of all claims of each file."""
        sql = "SELECT folder, entry, claims FROM files WHERE id IN (SELECT file FROM present)"
        for folder, entry, data in self.execute(sql):
            numbers = array("Q")
            numbers.frombytes(data)
            yield folder, entry, numbers

    def claim_numbers(self) -> Iterator[array[int]]:
        """The numbers of all claims, of some files at a time."""
        rows = self.execute("SELECT claims FROM files WHERE id IN (SELECT file FROM present)")
        while some := rows.fetchmany(100):
            numbers = array("Q")
            numbers.frombytes(b"".join(data for (data,) in some))
            yield numbers

    def crossed(self, fleet: str) -> str | None:
        """What was found across the files of ``fleet``, if it was looked for since a file changed."""
        found = self._meta(f"crossed {fleet}")
        return None if found is None else str(found)

    def keep_crossed(self, fleet: str, text: str) -> None:
        """Keep what was found across files."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"crossed {fleet}", text))


class _Foreign(Exception):
    """The file holds another program's tables."""


def _is_ours(path: Path) -> bool:
    """True if nobody else could have put the file there: what comes out of a repository can be read by all."""
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
