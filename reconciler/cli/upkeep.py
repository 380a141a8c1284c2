"""The upkeep of a state store: ``state verify``, ``state backup``, ``state recover``."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import click

from reconciler.cli.commands import command
from reconciler.cli.host import host
from reconciler.cli.options import argument, common_options
from reconciler.cli.running import run_options
from reconciler.errors import ExitCode, InvalidInput, StoreFailed


@command()
@common_options
@click.pass_context
def verify(context: click.Context) -> ExitCode:
    """Prove the store: it is sound, the journal's chain is whole, and known state is what its entries left."""
    from reconciler.state.journal import verify_store

    here = host(context)
    with closing(here.session().open_store()) as store:
        found = verify_store(store)
        url = store.url
        entries = sum(1 for _ in store.entries())
    if found:
        raise StoreFailed(
            f"the state store at {url} isn't what its journal says",
            details=found,
            hint="apply nothing from it; go back to a backup, or import an export that is newer than what is wrong",
        )
    here.output.note(
        f"the state store at {url} is sound: {entries:,} journal entries, chain whole, known state follows"
    )
    return ExitCode.DONE


@command()
@argument("file", metavar="FILE")
@common_options
@click.pass_context
def backup(context: click.Context, file: str) -> ExitCode:
    """Copy the store into a new FILE, while it is in use or not."""
    from reconciler.state.sqlite import SqliteStore

    here = host(context)
    with closing(here.session().open_store(read_only=True)) as store:
        if not isinstance(store, SqliteStore):
            raise InvalidInput(f"{store.url} is no SQLite file", hint="pg_dump backs a PostgreSQL store up")
        store.backup(Path(file))
    here.output.note(f"copied the state store to {file}")
    return ExitCode.DONE


@command()
@argument("file", metavar="FILE")
@common_options
@click.pass_context
def recover(context: click.Context, file: str) -> ExitCode:
    """Fold in the outcome of a call that the store couldn't take: the FILE that the run named when it stopped."""
    from reconciler.applying.settling import entry_from_json
    from reconciler.applying.settling import recover as fold_in
    from reconciler.execution import find_run, new_holder, plan_of

    here = host(context)
    session = here.session()
    entry = entry_from_json(_read(file))
    with closing(session.open_store()) as store:
        plan = plan_of(find_run(store, entry.run_id))
        holder = new_holder(session, run_options(here, "state recover"))
        written = fold_in(store, entry, plan, holder=holder)
    here.output.note(f"step {written.step} of run {written.run_id} is {written.status}, as {file} says")
    here.output.note(f"next: reconciler resume -e {session.environment}")
    return ExitCode.DONE


def _read(file: str) -> object:
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{file} can't be read: {error.strerror}", hint="name the file that `apply` wrote") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"{file} isn't JSON", hint="name the file that `apply` wrote") from None
