"""The SQLite file below a store: how it is made, opened, guarded and copied.

Three ways to open it: for writing (WAL, every commit synced), for reading beside a writer, and for
reading a file that nobody has open (*immutable*: then not even SQLite's own ``-wal`` and ``-shm`` files
are made, so a read-only folder is enough).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.errors import StoreFailed

#: How long a transaction waits for another process, seconds.
BUSY_TIMEOUT: Final = 5.0

#: File systems on which SQLite's locks and shared memory can't be trusted.
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"smb", "smb2", "smb3", "smbfs"}
    | {f"fuse.{name}" for name in ("ceph", "cephfs", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)

#: SQLite's result codes (their beginning), what a person calls them, and how to mend it.
_REASONS: Final = (
    ("SQLITE_FULL", "the disk is full", "free some space; the last change didn't happen"),
    ("SQLITE_READONLY", "it can't be written", "check the rights of the file and of its folder"),
    ("SQLITE_BUSY", "another process is writing to it", "try again when that is done"),
    ("SQLITE_LOCKED", "another process is writing to it", "try again when that is done"),
    ("SQLITE_CORRUPT", "it is damaged", "restore a file of `reconciler state backup`, or import known state anew"),
    ("SQLITE_NOTADB", "it isn't an SQLite database", "check the path given as --state"),
    ("SQLITE_IOERR", "the disk reports an error", "check the disk and its free space"),
    ("SQLITE_CANTOPEN", "it can't be opened", "check the path and the rights of the file and of its folder"),
)


def failure(path: Path, error: Exception) -> StoreFailed:
    """What a person reads for an error of SQLite or of the operating system."""
    name = getattr(error, "sqlite_errorname", None) or ""
    for code, reason, hint in _REASONS:
        if name.startswith(code):
            return StoreFailed(f"state store {path}: {reason}", hint=hint, details=[f"SQLite says: {error}"])
    if isinstance(error, OSError):
        return StoreFailed(f"state store {path}: {error.strerror or error}", hint="check the path and its rights")
    return StoreFailed(f"state store {path}: {error}", hint="`reconciler state verify` looks for damage")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns errors of SQLite and of the operating system into `StoreFailed`."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a closed connection or a wrong statement is our bug, not the user's
    except (sqlite3.Error, OSError) as error:
        raise failure(path, error) from error


class Database:
    """One connection. ``immutable`` ones notice when somebody writes to the file meanwhile.

    It is closed when nobody refers to it any more, if not before. One thread at a time may use it.
    """

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self._print = _fingerprint(path) if mode == "immutable" else None
        query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
        with translated(path):
            self.connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{query}",
                uri=True,
                isolation_level=None,
                timeout=BUSY_TIMEOUT,
                check_same_thread=False,
            )
            self.close = weakref.finalize(self, self.connection.close)
            # What a stranger's file defines (views, triggers) must not run functions with side effects.
            self.connection.execute("PRAGMA trusted_schema = OFF")

    @property
    def place(self) -> str:
        """The file's path, as people read it."""
        return str(self.path)

    @property
    def in_transaction(self) -> bool:
        """True while a transaction is under way."""
        return self.connection.in_transaction

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement. Raises `StoreFailed`."""
        try:
            rows = self.connection.execute(sql, values).fetchall()
        except sqlite3.ProgrammingError:
            raise  # as in `translated`, whose block would cost as much again as most statements
        except sqlite3.Error as error:
            raise failure(self.path, error) from error
        self.ensure_unchanged()
        return rows

    def one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a statement. Raises `StoreFailed`."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    def run(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements that give no rows, each with its values, inside a transaction. Raises `StoreFailed`."""
        for sql, values in statements:
            self.all(sql, values)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that gives no rows once for each of ``rows``, inside a transaction. Raises `StoreFailed`."""
        try:
            self.connection.executemany(sql, rows)
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            raise failure(self.path, error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that has the file for itself from the start, and ends durable or not at all."""
        self.all("BEGIN IMMEDIATE")
        try:
            yield
            self.all("COMMIT")
        except BaseException as error:
            if self.connection.in_transaction:  # a full disk has rolled back already
                self.connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise failure(self.path, error) from error
            raise

    def ensure_unchanged(self) -> None:
        """Raises `StoreFailed` if an immutable file was written to since it was opened."""
        if self._print is not None and _fingerprint(self.path) != self._print:
            raise StoreFailed(
                f"state store {self.path}: it was changed while it was read", hint="run the command again"
            )


def make_durable(database: Database) -> None:
    """Lets a connection that writes use WAL, and sync every commit to the disk. Raises `StoreFailed`."""
    if database.all("PRAGMA journal_mode") != [("wal",)] and database.all("PRAGMA journal_mode = WAL") != [("wal",)]:
        raise StoreFailed(
            f"state store {database.path}: write-ahead logging isn't possible here",
            hint="keep the store on a local disk",
        )
    database.all("PRAGMA synchronous = FULL")
    database.all("PRAGMA fullfsync = ON")


def open_for_reading(path: Path) -> Database:
    """The file for a store that only reads: no file is made, none of the store's content is written."""
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size == 0:
        return Database(path, "immutable")
    if not path.with_name(path.name + "-shm").exists():
        raise StoreFailed(
            f"state store {path}: changes in {log.name} weren't taken into the file yet, and reading may not do that",
            hint="run `reconciler state verify` where the store may be written, then try again",
        )
    return Database(path, "ro")


def create(path: Path) -> None:
    """An empty file that only its owner can read; nothing happens if there is one. Raises `StoreFailed`."""
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            return
        os.close(descriptor)
        _sync_folder(path.parent)


def is_there(path: Path) -> bool:
    """True if the store's file exists and was written to. Raises `StoreFailed` for what can't be a store."""
    with translated(path):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(found.st_mode):
            raise StoreFailed(f"state store {path}: it isn't a regular file", hint="check the path given as --state")
        return found.st_size > 0


def copy_to(database: Database, target: Path) -> None:
    """A copy of a store's committed content in a new file that only its owner can read. Raises `StoreFailed`."""
    with translated(target):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        copy = sqlite3.connect(f"{target.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        try:
            database.connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # a copy is one file, without companions
        finally:
            copy.close()
        _sync_folder(target.parent)


def refuse_network(path: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raises `StoreFailed` if ``path`` lies on a network file system (told by ``mounts``, where there is one)."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = file_system_of(path.resolve(), table)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreFailed(
            f"state store {path}: it lies on a network file system ({kind}), where SQLite's locks can't be trusted",
            hint="keep the store on a local disk; `--state file:PATH` reads a snapshot from anywhere",
        )


def file_system_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that holds ``path``, by a table in the form of ``/proc/mounts``."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_unescaped(fields[1]))
        # Of two mounts on one point the later hides the earlier.
        if path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), fields[2])
    return best[1] if best is not None else None


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _fingerprint(path: Path) -> tuple[int, int, int]:
    with translated(path):
        found = path.stat()
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
