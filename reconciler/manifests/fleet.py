"""Manifests without holding them: rows in a cache, brought up to date, and whole documents one at a time.

What `reconciler.manifests.desired` does in memory, this does for any number of accounts: only files that changed are
read, in as many processes as there are. Both come to the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from reconciler.diagnostics import Diagnostic, Position, sort_key
from reconciler.instants import Minute
from reconciler.manifests.cache import Cache
from reconciler.manifests.facts import Row, wanted_from
from reconciler.manifests.files import ManifestFile
from reconciler.manifests.findings import findings_from
from reconciler.manifests.fleetdigest import FleetDigest
from reconciler.manifests.selecting import Selectable, Selector, selects
from reconciler.manifests.walk import Folder
from reconciler.model import DeclaredAccount, DeclaredProduct, Source

if TYPE_CHECKING:
    from concurrent.futures import Executor

#: Gives the processes for about so many documents or accounts, or ``None`` if this one is to do it.
Workers: TypeAlias = "Callable[[int], Executor | None]"

#: The folder of what was given by name.
SINGLE: Final = ""
_NOWHERE: Final = Source("", 0)


class Inputs(NamedTuple):
    """Where the files of a fleet are, by what they are called in its cache; standard input's bytes."""

    folders: Mapping[str, Folder]
    single: Mapping[str, ManifestFile]
    stdin: bytes | None

    def file(self, folder: str, entry: str) -> ManifestFile:
        """One file."""
        return self.single[entry] if folder == SINGLE else self.folders[folder].file(entry)


class Fleet:
    """All manifests under some paths. ``files`` could be read, ``accounts`` are sound.

    ``name`` tells fleets of one cache apart. ``planners`` are who may work on its accounts.
    """

    def __init__(
        self,
        name: str,
        cache: Cache,
        files: int,
        accounts: int,
        diagnostics: tuple[Diagnostic, ...],
        inputs: Inputs,
        planners: Workers,
    ) -> None:
        self.name, self.cache = name, cache
        self.files, self.accounts = files, accounts
        self._diagnostics = diagnostics
        self._inputs = inputs
        self.planners = planners

    def diagnostics(self, now: Minute) -> tuple[Diagnostic, ...]:
        """Every finding, by place; warnings about windows as of ``now``."""
        found = list(self._diagnostics)
        for text in self.cache.findings():
            found += findings_from(text)
        for each in self.cache.ended(now):
            found += _over(self._inputs.file(each.folder, each.entry).name, each.row.endings or "[]", now)
        return tuple(sorted(found, key=sort_key))

    def digest(self) -> str:
        """The digest of all that is declared."""
        return self.digests().value()

    def digests(self) -> FleetDigest:
        """The digests of all that is declared."""
        found = FleetDigest()
        found.add_all(self.cache.digests())
        return found

    def place(self, number: int) -> tuple[ManifestFile, Row]:
        """A row, and the file that it is of."""
        found = self.cache.row(number)
        return self._inputs.file(found.folder, found.entry), found.row

    def declared(self, number: int) -> DeclaredAccount:
        """The whole account behind a row. Raises `InvalidInput` if its file isn't any more what it was."""
        from reconciler.manifests.rebuilding import account_at, part_of, rebuild

        file, row = self.place(number)
        if file.path is None:
            return rebuild(file.name, part_of(self._inputs.stdin or b"", row), row)
        return account_at(file, row)

    def outlines(self) -> Iterator[DeclaredAccount]:
        """All accounts in their order with nothing but their ids, customer numbers and those of their products."""
        for _, account_id, wanted, rest in self.cache.described():
            products = tuple(
                DeclaredProduct(_NOWHERE, each.get("product_id"), each.get("user_product_id"))
                for each in wanted_from(wanted)[1]
            )
            yield DeclaredAccount(account_id, _NOWHERE, json.loads(rest)[0], user_products=products)

    def claiming(self) -> Iterator[tuple[str, int, str, str]]:
        """File and line of all accounts, as far as they are known, and both `reconciler.manifests.facts.Facts`."""
        sql = (
            "SELECT folder, entry, line, wanted, rest FROM rows JOIN files ON files.id = file "
            "WHERE file IN (SELECT file FROM present) ORDER BY rows.id"
        )
        for folder, entry, line, wanted, rest in self.cache.execute(sql):
            yield self._inputs.file(folder, entry).name, line, wanted, rest

    def selected(self, selectors: Sequence[Selector]) -> Iterator[DeclaredAccount]:
        """The accounts that ``selectors`` take, in their order. Raises as `declared` does."""
        by_file = any(selector.kind == "file" for selector in selectors)
        for number, account_id, _, rest in self.cache.described():
            _, owner, labels, _ = json.loads(rest)
            file = self.place(number)[0].name if by_file else ""
            if selects(selectors, Selectable(account_id, owner, labels, file)):
                yield self.declared(number)


def _over(name: str, endings: str, now: Minute) -> Iterator[Diagnostic]:
    from reconciler.manifests.declaration import window_over

    for minute, text, line, column in json.loads(endings):
        if minute <= now:
            yield window_over(text, Position(name, line, column))
