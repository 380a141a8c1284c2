"""Accounts that were judged before, kept in the cache: what they were judged by, and for how long that holds.

What came of an account holds while the same is declared, the same is known, and the clock is between two moments. Which
rules it was judged by is the scope's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reconciler.instants import Minute
from reconciler.manifests.cache import Cache


class Settled(NamedTuple):
    """What is kept of one account.

    ``declared`` is true if anything is. ``known`` and ``observed_at`` are the digest of what is known and when it was
    observed (``None``: nothing is). What came of it holds from ``since`` to before ``until``, both ``None`` for ever;
    an ``until`` of 0 is not at all, since other accounts matter to it. ``products`` are declared, ``held`` are known;
    ``rest`` is what of them nobody declares. Where there is something to do or to say, ``outcome`` has all of it and
    these three are empty. The last two are the planner's texts.
    """

    account_id: str
    declared: bool
    known: str | None
    observed_at: str | None
    since: Minute | None
    until: Minute | None
    products: int
    held: int
    rest: str | None
    outcome: str | None = None


class Totals(NamedTuple):
    """Accounts with nothing to do or to say: those declared, their products, the known ones, the oldest observation."""

    accounts: int
    products: int
    held: int
    oldest: str | None


class SettledAccounts:
    """The accounts of one scope. All of it is part of the cache's transaction."""

    def __init__(self, cache: Cache, name: str) -> None:
        self._cache = cache
        execute = cache.execute
        row = execute("SELECT id, generation, mark, digest, totals FROM scopes WHERE name = ?", (name,)).fetchone()
        self.is_new = row is None
        if row is None:
            scope = execute("INSERT INTO scopes (name, generation) VALUES (?, -1)", (name,)).lastrowid
            row = (scope, -1, None, None, None)
        self._scope, self._generation, self._mark, self._digest, self._totals = row

    def knows(self, mark: str | None) -> bool:
        """True if known state is still the one that all of it is about; ``mark`` as in `KnownHead`."""
        return mark is not None and self._mark == mark

    @property
    def digest(self) -> str | None:
        """The digest of all manifests, if none has changed."""
        return self._digest if self._generation == self._cache.generation else None

    def changed(self) -> set[str] | None:
        """The accounts whose manifests have changed; ``None`` if nobody knows."""
        if self.is_new:
            return None
        rows = self._cache.execute("SELECT account_id FROM changes WHERE generation > ?", (self._generation,))
        return {account_id for (account_id,) in rows}

    def due(self, now: Minute) -> set[str]:
        """The accounts of which what was found doesn't hold at ``now``."""
        sql = (
            "SELECT account_id FROM settled INDEXED BY settled_for_a_while "
            "WHERE scope = ? AND until IS NOT NULL AND (until <= ? OR since > ?)"
        )
        return {account_id for (account_id,) in self._cache.execute(sql, (self._scope, now, now))}

    def known(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Account, digest of what is known and when it was observed, of all accounts in their order."""
        sql = "SELECT account_id, known, observed_at FROM settled WHERE scope = ? ORDER BY account_id"
        return self._cache.execute(sql, (self._scope,))

    def totals(self) -> Totals:
        """The accounts of which only numbers are needed, added up."""
        if self._totals is not None:
            return Totals._make(json.loads(self._totals))
        sql = (
            "SELECT coalesce(sum(declared), 0), coalesce(sum(products), 0), coalesce(sum(held), 0), "
            "min(CASE WHEN declared THEN observed_at END) "
            "FROM settled WHERE scope = ? AND until IS NOT 0 AND outcome IS NULL"
        )
        return Totals._make(self._cache.execute(sql, (self._scope,)).fetchone())

    def rests(self) -> Iterator[tuple[str, str]]:
        """The accounts with known products that nobody declares, and these, in the order of accounts."""
        sql = (
            "SELECT account_id, rest FROM settled INDEXED BY settled_with_rest "
            "WHERE scope = ? AND rest IS NOT NULL ORDER BY account_id"
        )
        return self._cache.execute(sql, (self._scope,))

    def outcomes(self) -> Iterator[str]:
        """What there is to do and to say, in the order of accounts."""
        sql = (
            "SELECT outcome FROM settled INDEXED BY settled_with_outcome "
            "WHERE scope = ? AND outcome IS NOT NULL ORDER BY account_id"
        )
        return (text for (text,) in self._cache.execute(sql, (self._scope,)))

    def clear(self) -> None:
        """Forget all accounts."""
        self._totals = None
        self._cache.execute("DELETE FROM settled WHERE scope = ?", (self._scope,))

    def forget(self, account_id: str) -> None:
        """Forget an account that is neither declared nor known any more."""
        self._totals = None
        self._cache.execute("DELETE FROM settled WHERE scope = ? AND account_id = ?", (self._scope, account_id))

    def put(self, accounts: Sequence[Settled]) -> None:
        """Keep what was found of ``accounts``."""
        if not accounts:
            return
        self._totals = None
        sql = "INSERT OR REPLACE INTO settled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._cache.executemany(sql, ((self._scope, *account) for account in accounts))

    def finish(self, mark: str | None, digest: str) -> None:
        """All accounts are judged by this known state and these manifests."""
        execute = self._cache.execute
        self._totals = self._totals or json.dumps(self.totals())
        sql = "UPDATE scopes SET generation = ?, mark = ?, digest = ?, totals = ? WHERE id = ?"
        execute(sql, (self._cache.generation, mark, digest, self._totals, self._scope))
        execute("DELETE FROM changes WHERE generation <= (SELECT min(generation) FROM scopes)")
        if execute("SELECT count(*) > (SELECT count(*) FROM rows) FROM changes").fetchone()[0]:
            # Scopes that nobody plans for any more would keep changes for ever.
            execute("DELETE FROM settled WHERE scope != ?", (self._scope,))
            execute("DELETE FROM scopes WHERE id != ?", (self._scope,))
            execute("DELETE FROM changes")
