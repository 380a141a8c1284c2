"""``state``: what is known, where it came from, and how to bring it in and out."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from reconciler.cli.host import host
from reconciler.cli.kinds import Word
from reconciler.cli.options import argument, common_options, group, help_if_alone, option
from reconciler.cli.running import run_options
from reconciler.cli.upkeep import backup, recover, verify
from reconciler.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from reconciler.model import KnownAccount


@group
def state(context: click.Context) -> None:
    """Known state: what we know of each account, from exports and from the answers to our own calls."""
    help_if_alone(context)


@state.command()
@common_options
@click.pass_context
def init(context: click.Context) -> ExitCode:
    """Make an empty store on purpose: from then on, nothing counts as known."""
    here = host(context)
    session = here.session()
    with closing(session.open_store(create=True)) as store:
        if store.is_filled():
            raise InvalidInput(
                f"the state store at {store.url} is there already", hint="`reconciler state list` shows what it knows"
            )
        with store.change() as change:
            change.mark_filled()
        here.output.note(f"made an empty state store for {session.environment} at {store.url}")
    return ExitCode.DONE


@state.command(name="import")
@argument("file", metavar="FILE")
@option("--complete", is_flag=True, help="The export is complete: what isn't in it isn't there any more.")
@option("--force", is_flag=True, help="Take observations older than ours, too.")
@common_options
@click.pass_context
def import_(context: click.Context, file: str, complete: bool, force: bool) -> ExitCode:
    """Merge an export into known state: JSON, JSON Lines or CSV, - for standard input. All of it or nothing."""
    from reconciler.execution import new_holder
    from reconciler.instants import clock_text
    from reconciler.state.merge import check_environment, import_accounts
    from reconciler.state.snapshot import read_snapshot

    here = host(context)
    session = here.session()
    snapshot = read_snapshot(file)
    check_environment(snapshot.head, session.environment)
    for note in snapshot.notes:
        here.output.warning(note)
    with closing(session.open_store(create=True)) as store:
        report = import_accounts(
            store,
            snapshot.head,
            snapshot.accounts,
            holder=new_holder(session, run_options(here, "state import")),
            now_text=clock_text(session.clock()),
            complete=complete,
            force=force,
        )
        counts = {
            "added": len(report.added),
            "changed": len(report.changed),
            "unchanged": len(report.unchanged),
            "left alone because ours is newer (--force takes them)": len(report.older),
            "emptied because they aren't in the export": len(report.emptied),
        }
        told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "no account in it"
        here.output.note(f"imported into {session.environment} ({store.url}): {told}")
    return ExitCode.DONE


@state.command()
@argument("file", metavar="[FILE]", required=False)
@option("--format", "form", type=Word(["json", "jsonl", "csv"]), help="By default what FILE ends in, or json.")
@common_options
@click.pass_context
def export(context: click.Context, file: str | None, form: str | None) -> ExitCode:
    """Write known state as a snapshot, to FILE or standard output."""
    from reconciler.files import check_writable, write_atomically
    from reconciler.state import require_filled
    from reconciler.state.export import snapshot_pieces

    here = host(context)
    named = file is not None and file != "-"
    if named:
        check_writable(str(file))
    chosen = form or ({"jsonl": "jsonl", "csv": "csv"}.get(str(file).rpartition(".")[2], "json") if named else "json")
    with closing(here.session().open_store(read_only=True)) as store:
        require_filled(store)
        pieces = snapshot_pieces(store.view(), chosen)
        if not named:
            here.output.text(pieces)
            return ExitCode.DONE
        write_atomically(str(file), (piece.encode("utf-8") for piece in pieces))
    here.output.note(f"wrote known state to {file}")
    return ExitCode.DONE


@state.command(name="list")
@option("--format", "form", type=Word(["text", "json"]), default="text", help="text or json lines.")
@common_options
@click.pass_context
def list_(context: click.Context, form: str) -> ExitCode:
    """List the accounts that are known, with their products and when they were observed."""
    here = host(context)
    view = here.session().known()
    if form == "json":
        here.output.document(_json(account) for account in view.accounts())
        return ExitCode.DONE
    here.output.document(_line(account) for account in view.accounts())
    return ExitCode.DONE


@state.command()
@argument("account_ids", metavar="ACCOUNT...", nargs=-1, required=True)
@common_options
@click.pass_context
def show(context: click.Context, account_ids: tuple[str, ...]) -> ExitCode:
    """Show all that is known of one or more accounts, as JSON."""
    import json

    here = host(context)
    wanted = {account_id.lower() for account_id in account_ids}
    found = {
        account.account_id: account for account in here.session().known().accounts() if account.account_id in wanted
    }
    _all_known(wanted, set(found))
    for account_id in sorted(found):
        account = found[account_id]
        data = {**account.to_json(), "observed_at": account.observed_at}
        here.output.document(json.dumps(data, indent=2).splitlines())
    return ExitCode.DONE


@state.command()
@argument("account_ids", metavar="ACCOUNT...", nargs=-1, required=True)
@common_options
@click.pass_context
def forget(context: click.Context, account_ids: tuple[str, ...]) -> ExitCode:
    """Forget all that is known of one or more accounts; Payway is not asked or told anything."""
    from reconciler.execution import new_holder

    here = host(context)
    session = here.session()
    wanted = {account_id.lower() for account_id in account_ids}
    with closing(session.open_store()) as store:
        lock = store.acquire(new_holder(session, run_options(here, "state forget")))
        try:
            with store.change(lock) as change:
                known = {account_id for account_id in wanted if change.account(account_id) is not None}
                _all_known(wanted, known)
                for account_id in sorted(known):
                    change.remove_account(account_id)
        finally:
            store.release(lock)
    here.output.note(f"forgot {', '.join(sorted(wanted))}")
    return ExitCode.DONE


def _all_known(wanted: set[str], known: set[str]) -> None:
    missing = sorted(wanted - known)
    if missing:
        raise InvalidInput(
            f"nothing is known of {', '.join(missing)}",
            hint="`reconciler state list` shows the accounts that are known",
        )


def _json(account: KnownAccount) -> str:
    from reconciler import canonical

    return canonical.dumps({**account.to_json(), "observed_at": account.observed_at})


def _line(account: KnownAccount) -> str:
    from reconciler.render.escape import terminal

    products = len(account.user_products)
    marks = (" unverified" if account.unverified else "") + (" in doubt" if account.doubts else "")
    number = account.customer_number if isinstance(account.customer_number, str) else "-"
    observed = terminal(account.observed_at or "unknown")
    counted = f"{products} product{'' if products == 1 else 's'}"
    return f"{terminal(account.account_id)}  {terminal(number):<12}  {counted:<11}  {observed}{marks}"


for _command in (verify, backup, recover):
    state.add_command(_command)
