"""The store in one SQLite file: for one person, one machine, or a runner with a disk that stays."""

# ruff: noqa: D102 -- the protocol in store.py says what each method does
from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.errors import InvalidInput
from reconciler.instants import clock_text
from reconciler.state import migrations, sqlite_file
from reconciler.state.condition import Condition
from reconciler.state.sqlite_file import Database
from reconciler.state.sqlstore import SqlStore, head_of, missing


class SqliteStore(SqlStore[Database]):
    """`reconciler.state.store.Store` in an SQLite file. One thread at a time may use it."""

    def __init__(self, database: Database, path: Path, *, read_only: bool) -> None:
        super().__init__(database, read_only=read_only)
        self._path = path

    @classmethod
    def open(
        cls, path: Path | str, *, create: bool = False, environment: str | None, read_only: bool = False
    ) -> SqliteStore:
        """The store in the file at ``path``; with ``create``, a new one if there is none.

        ``environment`` is checked against the store's, unless it is ``None``. An older store is migrated,
        unless ``read_only``. Raises `InvalidInput` if there is no store or it is another environment's,
        `StoreFailed` if the file can't be used.
        """
        path = Path(path)
        sqlite_file.refuse_network(path)
        if not sqlite_file.is_there(path):
            if not create or read_only:
                raise missing(str(path))
            if environment is None:
                raise InvalidInput(f"a new state store at {path} needs an environment", hint="name it with -e")
            sqlite_file.create(path)
        database = sqlite_file.open_for_reading(path) if read_only else Database(path, "rw")
        try:
            _prepare(database, create=create, environment=environment, read_only=read_only)
        except BaseException:
            database.close()
            raise
        return cls(database, path, read_only=read_only)

    @property
    def url(self) -> str:
        return f"sqlite:///{self._path}"

    def condition(self) -> Condition:
        places = (self._path, self._path.parent)
        closed = next((place for place in places if not os.access(place, os.W_OK)), None)
        return Condition(
            migrations.version_of(self._database), None if closed is None else f"we may not write to {closed}"
        )

    def damage(self) -> tuple[str, ...]:
        found = tuple(text for (text,) in self._database.all("PRAGMA integrity_check") if text != "ok")
        return found + super().damage()

    def backup(self, target: Path) -> None:
        """Copy the store into a new file, mode 0600. Raises `StoreFailed`, also if the file exists."""
        sqlite_file.copy_to(self._database, target)

    def _moment(self) -> Database:
        # A connection of its own, in a read transaction that lasts as long as it is in use.
        moment = sqlite_file.open_for_reading(self._path) if self._read_only else Database(self._path, "ro")
        moment.all("BEGIN")
        return moment


def _prepare(database: Database, *, create: bool, environment: str | None, read_only: bool) -> None:
    version = migrations.version_of(database)
    if version == 0 and not create:
        raise missing(database.place)
    if read_only:
        migrations.require_current(database)
    else:
        sqlite_file.make_durable(database)  # only now, since a foreign file must stay as it is
    if not read_only and version < migrations.MIGRATIONS[-1].number:
        with database.transaction():
            if migrations.migrate(database) == 0:
                lineage = uuid.uuid4().hex
                row: tuple[Any, ...] = (lineage, environment, clock_text(datetime.now(UTC)), lineage)
                database.all("INSERT INTO meta VALUES (1, ?, ?, 0, ?, 0, ?)", row)
    found = head_of(database).environment
    if environment is not None and environment != found:
        raise InvalidInput(
            f"the state store {database.path} is for the environment {found!r}, not for {environment!r}",
            hint="one environment has one store: name the other one with --state, or this environment with -e",
        )
