"""Proves a journal: that its chain is whole, and that known state is what its entries say.

The chain shows that nobody edited or removed an entry in the middle. It is no signature: whoever can write the
whole store can also write a new chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.state.store import CHAIN_START, JournalEntry, Store


def verify_chain(entries: Iterable[JournalEntry]) -> Iterator[str]:
    """What is wrong with the chain of all entries of a store, a sentence each."""
    expected, previous = 1, CHAIN_START
    for entry in entries:
        if entry.sequence != expected:
            yield f"journal: entry {expected} is missing, {entry.sequence} follows instead"
        elif entry.previous != previous:
            yield f"journal: entry {entry.sequence} doesn't follow the entry before it"
        if entry.chained(entry.sequence, entry.previous).hash != entry.hash:
            yield f"journal: entry {entry.sequence} was altered"
        expected, previous = entry.sequence + 1, entry.hash


def verify_store(store: Store) -> tuple[str, ...]:
    """Everything that is wrong with a store, a sentence each: damage, a broken chain, known state that doesn't follow.

    An account whose last change came with a journal entry must be known as that entry says.
    Raises `reconciler.errors.StoreFailed` if the store can't be read at all.
    """
    found = list(store.damage())
    if found:
        # What is damaged may not even be readable; the chain can still be told.
        return (*found, *verify_chain(store.entries()))
    written: dict[int, tuple[str, str]] = {}
    for account in store.view().accounts():
        sequence = store.written_by(account.account_id)
        if sequence is not None:
            written[sequence] = (account.account_id, account.digest())

    def checked() -> Iterator[JournalEntry]:
        for entry in store.entries():
            account_id, digest = written.pop(entry.sequence, (entry.account_id, entry.known_after))
            if account_id != entry.account_id or (entry.known_after is not None and digest != entry.known_after):
                found.append(f"account {account_id}: what is known isn't what journal entry {entry.sequence} left")
            yield entry

    found.extend(verify_chain(checked()))
    for sequence, (account_id, _) in sorted(written.items()):
        found.append(f"account {account_id}: journal entry {sequence}, which changed it last, is missing")
    return tuple(found)
