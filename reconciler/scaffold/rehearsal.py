"""The store of a new repository's rehearsal, filled with the example's known state, so that a plan works at once."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from reconciler.scaffold import KNOWN_STATE

ENVIRONMENT: Final = "simulator"


def store_of(folder: Path) -> Path:
    """Where the simulator's store is, unless somebody named another."""
    return folder / ".reconciler" / f"{ENVIRONMENT}.db"


def fill(folder: Path) -> bool:
    """Bring the example's known state into the simulator's store below ``folder``; True if it is there now.

    False if another store was named, for that isn't ours to fill. A store that holds something stays as it is.
    """
    from reconciler.execution import RunOptions, new_holder
    from reconciler.instants import clock_text
    from reconciler.session import Session
    from reconciler.settings import load_settings, resolve
    from reconciler.state.merge import import_accounts
    from reconciler.state.snapshot import read_snapshot

    environ = dict(os.environ)
    settings = resolve(load_settings(str(folder / "reconciler.toml"), environ), ENVIRONMENT, environ)
    if not settings.state_is_default:
        return False
    session = Session(replace(settings, state=f"sqlite:///{store_of(folder)}"))
    with closing(session.open_store(create=True)) as store:
        if not store.is_filled():
            snapshot = read_snapshot(str(folder / KNOWN_STATE))
            import_accounts(
                store,
                snapshot.head,
                snapshot.accounts,
                holder=new_holder(session, RunOptions(command="init", environ=environ)),
                now_text=clock_text(session.clock()),
            )
    return True
