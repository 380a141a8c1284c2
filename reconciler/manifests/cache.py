"""What was read of the manifests, kept in one SQLite file: rows by account, and what was already judged.

It is only ever a shortcut: without it, the same tables live in a temporary file.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reconciler.manifests.cachefile import cache_file, temporary_file
from reconciler.manifests.facts import Row

if TYPE_CHECKING:
    from reconciler.manifests.rows import FileRows

# Made when the first files are in: in one go that takes half the time.
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS rows_by_account ON rows (account_id, digest)",
    "CREATE INDEX IF NOT EXISTS rows_by_ending ON rows (ending) WHERE ending IS NOT NULL",
)
_ROW: Final = ", ".join(f"rows.{name}" for name in Row._fields)
_PUT_ROW: Final = f"INSERT INTO rows VALUES (?, ?, {', '.join('?' * len(Row._fields))})"  # noqa: S608
_PUT_FILE: Final = f"INSERT INTO files VALUES ({', '.join('?' * 15)})"  # noqa: S608
#: Accounts between two rows, as changed in the generation to come.
_LOG: Final = (
    "INSERT INTO changes SELECT (SELECT value + 1 FROM meta WHERE name = 'generation'), account_id "
    "FROM rows WHERE id BETWEEN ? AND ?"
)
#: The same of a file's old rows and its new ones, but for accounts that are declared as before. Where there is
#: something to do or to say of one, that has the lines of its declaration, which may be other ones.
_LOG_CHANGED: Final = (
    "INSERT INTO changes SELECT (SELECT value + 1 FROM meta WHERE name = 'generation'), account_id FROM ("
    "SELECT account_id, digest, 0 AS new FROM rows WHERE id BETWEEN ? AND ? UNION ALL "
    "SELECT account_id, digest, 1 AS new FROM rows WHERE id BETWEEN ? AND ?) AS both "
    "GROUP BY account_id HAVING count(*) != 2 OR sum(new) != 1 OR min(digest) != max(digest) "
    # CROSS: look the account up in each scope, instead of going through all outcomes.
    "OR EXISTS (SELECT 1 FROM scopes CROSS JOIN settled ON scope = scopes.id AND settled.account_id = both.account_id "
    "WHERE outcome IS NOT NULL)"
)
#: Later than any generation.
_FOREVER: Final = 1 << 62
_COMPARED: Final = "rows.id, account_id, digest, products, wanted"
#: Bytes of a claim's number.
_CLAIM: Final = 8
_UNSIGNED: Final = (None,) * 5


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


class FleetSummary(NamedTuple):
    """What is known of a fleet as a whole since a ``generation``: its counts, and what was found across its files."""

    generation: int
    files: int
    accounts: int
    crossed: str


class Cache:
    """The tables behind a fleet of manifests. Everything that is done with them until `save` is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._whole: bool | None = None
        self.execute = connection.execute
        self.executemany = connection.executemany

    @classmethod
    def temporary(cls, *, on_disk: bool = True) -> Cache:
        """Tables that are gone with the process, in a file or in memory."""
        return cls(temporary_file(on_disk=on_disk))

    @classmethod
    def open(cls, path: Path, program: str) -> Cache | None:
        """The cache in the file at ``path``, made anew if it isn't ``program``'s; ``None`` if it can't be had.

        So it is if another process is using it, it can't be written, or it is another program's database.
        """
        connection = cache_file(path, program)
        return None if connection is None else cls(connection)

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
        spans: list[tuple[int | None, int, int]] = []
        (number, first) = self.execute(
            "SELECT (SELECT coalesce(max(id), 0) + 1 FROM files), (SELECT coalesce(max(id), 0) + 1 FROM rows)"
        ).fetchone()
        generation = self.generation + 1
        for folder, entry, old, rows in files:
            last = first + len(rows.rows) - 1
            signature = rows.signature or _UNSIGNED
            values = (rows.read_at, rows.content, first, last, generation, rows.claims, rows.findings)
            file_values.append((number, folder, entry, *signature, *values))
            row_values += [(place, number, *row) for place, row in enumerate(rows.rows, first)]
            spans.append((old, first, last))
            numbers.append(number)
            number, first = number + 1, last + 1
        self.executemany(_PUT_ROW, row_values)
        self._replace(spans)
        self.executemany(_PUT_FILE, file_values)
        return numbers

    def _replace(self, spans: Iterable[tuple[int | None, int, int]]) -> None:
        """Drop files that were put again, by their number and the first and last of their new rows."""
        scoped = self._scoped
        for old, first, last in spans:
            if old is not None:
                before = self._span(old)
                if scoped:
                    self.execute(_LOG_CHANGED, (*before, first, last))
                self._drop(old, *before)
            elif scoped:
                self.execute(_LOG, (first, last))

    def still(self, number: int, signature: Sequence[int], read_at: int) -> None:
        """A file that was read again holds what it held: only its signature is another one."""
        sql = "UPDATE files SET size = ?, modified = ?, changed = ?, inode = ?, device = ?, read_at = ? WHERE id = ?"
        self.execute(sql, (*(signature or _UNSIGNED), read_at, number))

    def forget(self, number: int) -> None:
        """Drop a file that is gone, and its rows."""
        span = self._span(number)
        if self._scoped:
            self.execute(_LOG, span)
        self._drop(number, *span)

    def _span(self, number: int) -> tuple[int, int]:
        """The first and last row of a file."""
        first, last = self.execute("SELECT first, last FROM files WHERE id = ?", (number,)).fetchone()
        return first, last

    def _drop(self, number: int, first: int, last: int) -> None:
        self.execute("DELETE FROM rows WHERE id BETWEEN ? AND ?", (first, last))
        self.execute("DELETE FROM files WHERE id = ?", (number,))

    @property
    def _scoped(self) -> bool:
        """True if somebody asks which accounts changed."""
        return self.execute("SELECT 1 FROM scopes LIMIT 1").fetchone() is not None

    def present(self, numbers: Iterable[int]) -> None:
        """Files that the fleet of this process consists of."""
        self.executemany("INSERT OR IGNORE INTO present VALUES (?)", ((number,) for number in numbers))

    def refreshed(self, *, changed: bool) -> None:
        """All files were put."""
        for statement in _INDEXES:
            self.execute(statement)
        if changed:
            self.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")

    @property
    def generation(self) -> int:
        """Rises whenever a file changes."""
        return int(self.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()[0])

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

    def claim_count(self) -> int:
        """How many claims there are."""
        sql = "SELECT coalesce(sum(length(claims)), 0) FROM files WHERE id IN (SELECT file FROM present)"
        return int(self.execute(sql).fetchone()[0]) // _CLAIM

    def claim_numbers(self, *, after: int = -1, until: int = _FOREVER) -> Iterator[array[int]]:
        """The numbers of all claims, of some files at a time: those put after one generation, until another one."""
        sql = "SELECT claims FROM files WHERE id IN (SELECT file FROM present) AND generation > ? AND generation <= ?"
        rows = self.execute(sql, (after, until))
        while some := rows.fetchmany(100):
            numbers = array("Q")
            numbers.frombytes(b"".join(data for (data,) in some))
            yield numbers

    def summary(self, fleet: str) -> FleetSummary | None:
        """What is kept of a fleet as a whole."""
        sql = "SELECT generation, files, accounts, crossed FROM fleets WHERE name = ?"
        row = self.execute(sql, (fleet,)).fetchone()
        return None if row is None else FleetSummary._make(row)

    def keep_summary(self, fleet: str, summary: FleetSummary) -> None:
        """Keep what is known of a fleet as a whole."""
        self.execute("INSERT OR REPLACE INTO fleets VALUES (?, ?, ?, ?, ?)", (fleet, *summary))
