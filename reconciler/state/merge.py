"""Merges what somebody saw of accounts into what is known: field by field, by time, all or nothing.

An absent field keeps what was known, an empty one is known to be empty. Products vanish only when the
observation is said to be complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from reconciler.errors import InvalidInput, StalePlan
from reconciler.instants import clock_text, parse_clock
from reconciler.model import KnownAccount, KnownHead, KnownRecord, KnownView
from reconciler.state.accounts import AccountRow, Seen, SeenAccounts, decoded, row_of, user_product_ids
from reconciler.state.fieldmerge import is_older, merge_account, moment_of
from reconciler.state.idtables import Ids
from reconciler.state.store import PAGE, Change, Holder, Store

#: The environment that takes any snapshot and gives none away.
SIMULATOR: Final = "simulator"

#: How far another machine's clock may be ahead before an observation counts as made in the future.
CLOCK_SKEW: Final = timedelta(minutes=5)

# In canonical JSON these can't stand within a text, whose quotation marks are escaped.
_HAS_NONE: Final = '"user_products":[]'
_IN_DOUBT: Final = '"in_doubt":['

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, as account ids in their order.

    ``unchanged`` were seen as they are known (their time moves on). ``older`` were left alone, since they are
    known from a newer observation. ``emptied`` aren't in a complete snapshot, so their products are gone.
    ``moved`` are user products (their ids) that were known on another account.
    """

    added: Sequence[str] = ()
    changed: Sequence[str] = ()
    unchanged: Sequence[str] = ()
    older: Sequence[str] = ()
    emptied: Sequence[str] = ()
    moved: Sequence[str] = ()


def check_environment(head: KnownHead, environment: str) -> None:
    """Raises `StalePlan` if a snapshot may not enter ``environment``; one that names none ("") may."""
    if head.environment in ("", environment) or environment == SIMULATOR:
        return
    raise StalePlan(
        f"the snapshot is of the environment {head.environment!r}, not of {environment!r}",
        hint="what is known of one environment says nothing of another; name the right one with -e",
    )


def import_accounts(
    store: Store,
    head: KnownHead,
    accounts: Iterable[KnownAccount],
    *,
    holder: Holder,
    now_text: str,
    complete: bool = False,
    force: bool = False,
) -> ImportReport:
    """Merge ``accounts`` into ``store`` under its lock, in one transaction; nothing is changed if anything fails.

    ``accounts`` hold each account once; of `Seen` only some are in memory at a time.

    An account that doesn't say when it was observed counts as observed at ``head``'s time, else at ``now_text``.
    An older observation than ours isn't taken unless ``force``. With ``complete``, products that aren't in the
    snapshot vanish, also those of accounts it doesn't name; the accounts themselves stay, with what is known of
    their syncs. A user product is on one account only: the newer observation says on which.

    Raises `StalePlan` for another environment's snapshot, `InvalidInput` for an observation from the future or a
    complete snapshot without accounts (both unless ``force``), `Locked` and `StoreFailed`.
    """
    check_environment(head, store.head().environment)
    seen = accounts if isinstance(accounts, Seen) else SeenAccounts(accounts)
    lock = store.acquire(holder)
    try:
        with store.change(lock) as change:
            work = _Import(change, seen, parse_clock(now_text), head.observed_at or now_text, complete, force)
            # Moves come first, since what moves away is no candidate for what is seen in its place.
            work.move()
            work.take()
            if complete:
                if not len(seen) and not force:
                    raise InvalidInput(
                        "the snapshot holds no account, so a complete import would empty all that is known",
                        hint="check the export; --force takes it all the same",
                    )
                work.empty(store.view())
            change.mark_filled()
    finally:
        store.release(lock)
    return work.report()


class _Import:
    """An import under way, page by page: ``time`` counts where an account has none of its own."""

    def __init__(self, change: Change, seen: Seen, now: datetime, time: str, complete: bool, force: bool) -> None:
        self._change = change
        self._seen = seen
        self._latest = now + CLOCK_SKEW
        self._time = time
        self._complete = complete
        self._force = force
        self._oldest: str | None = None
        self._elsewhere: set[str] = set()
        self._told = {field.name: bytearray() for field in fields(ImportReport)}

    def move(self) -> None:
        """Take the user products that were seen away from the accounts they were known on, if that is older."""
        claims: dict[str, list[tuple[str, str]]] = {}
        for page in _paged(self._seen.claims()):
            owners = self._change.owners([user_product_id for user_product_id, _ in page])
            for user_product_id, account_id in page:
                owner = owners.get(user_product_id, account_id)
                if owner != account_id:
                    claims.setdefault(account_id, []).append((user_product_id, owner))
        for account_id in sorted(claims):
            self._move(account_id, sorted(claims[account_id]))

    def take(self) -> None:
        """Merge the accounts of the snapshot. Raises `InvalidInput` for one that was observed in the future."""
        for page in _paged(self._seen.rows()):
            seen = [self._timed(row) for row in page]
            known = self._change.records([row.record.account_id for row in seen])
            merged = [self._merged(row, known.get(row.record.account_id)) for row in seen]
            self._change.put_rows([row for row in merged if row is not None])

    def empty(self, view: KnownView) -> None:
        """Take the products of the accounts that a complete snapshot doesn't name, of all that ``view`` has."""
        others = (record for record in view.records() if record.account_id not in self._seen)
        for page in _paged(record for record in others if _HAS_NONE not in record.document):
            emptied = [self._emptied(record.account_id) for record in page]
            self._change.put_rows([row for row in emptied if row is not None])

    def report(self) -> ImportReport:
        """What happened, in the order of the accounts."""
        return ImportReport(**{name: Ids(ids) for name, ids in self._told.items()})

    def _timed(self, row: AccountRow) -> AccountRow:
        """An account of the snapshot with the time it was observed at."""
        time = row.record.observed_at or self._time
        moment = moment_of(time)
        if moment > self._latest and not self._force:
            raise InvalidInput(
                f"account {row.record.account_id} was observed at {clock_text(moment)}, which is in the future",
                hint="check the export's clock and offset; --force takes it all the same",
            )
        text = clock_text(moment)
        self._oldest = min(self._oldest or text, text)
        return row._replace(record=row.record._replace(observed_at=text))

    def _move(self, account_id: str, claims: Sequence[tuple[str, str]]) -> None:
        """Move user products to an account, each from the one it was known on."""
        seen, known = self._seen.find(account_id), self._change.account(account_id)
        assert seen is not None  # it has made the claims
        time = seen.observed_at or self._time
        if known is not None and self._is_too_old(time, known.observed_at):
            return
        for user_product_id, owner in claims:
            other = self._change.account(owner)
            if other is None or user_product_id not in user_product_ids(other):
                continue
            if self._is_too_old(time, other.observed_at):
                self._elsewhere.add(user_product_id)
            else:
                left = tuple(p for p in other.user_products if p.user_product_id != user_product_id)
                self._change.put_account(replace(other, user_products=left))
                self._tell("moved", user_product_id)

    def _merged(self, seen: AccountRow, known: KnownRecord | None) -> AccountRow | None:
        """One account of the snapshot merged into what is known of it; ``None`` if that stays."""
        account_id, document, time, _ = seen.record
        if known is not None and self._is_too_old(time, known.observed_at):
            self._tell("older", account_id)
            return None
        if self._elsewhere.isdisjoint(seen.user_product_ids):
            if known is None:
                self._tell("added", account_id)
                return seen
            # The same text says all that a merge of the two would say, unless a doubt keeps its time.
            if known.document == document and _IN_DOUBT not in document:
                self._tell("unchanged", account_id)
                return None if known.observed_at == time else seen
        account = decoded(document, time)
        own = tuple(product for product in account.user_products if product.user_product_id not in self._elsewhere)
        before = None if known is None else self._change.account(account_id)
        merged = merge_account(before, replace(account, user_products=own), complete=self._complete)
        return self._row(merged, before, "added" if before is None else "changed")

    def _emptied(self, account_id: str) -> AccountRow | None:
        """An account that a complete snapshot doesn't name, without its products; ``None`` if it stays."""
        known = self._change.account(account_id)
        if known is None or not known.user_products:
            return None
        time = self._oldest or clock_text(parse_clock(self._time))
        if self._is_too_old(time, known.observed_at):
            self._tell("older", account_id)
            return None
        return self._row(
            merge_account(known, KnownAccount(account_id, observed_at=time), complete=True), known, "emptied"
        )

    def _row(self, account: KnownAccount, known: KnownAccount | None, what: str) -> AccountRow | None:
        if known is not None and replace(account, observed_at=known.observed_at) == known:
            what = "unchanged"
        self._tell(what, account.account_id)
        return row_of(account) if account != known else None

    def _is_too_old(self, seen: str | None, known: str | None) -> bool:
        return not self._force and is_older(seen, known)

    def _tell(self, what: str, id_: str) -> None:
        self._told[what] += bytes.fromhex(id_)


def _paged(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while page := list(islice(iterator, PAGE)):
        yield page
