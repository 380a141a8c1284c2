"""Runs and what is left of them: ``runs``, ``resume``, ``resolve``, ``abandon``, ``unlock``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.commands import command
from reconciler.cli.host import Host, host
from reconciler.cli.kinds import Whole, Word
from reconciler.cli.options import argument, base_url_option, common_options, group, help_if_alone, option
from reconciler.cli.running import Bounds, bounds_options, run_and_report, run_options
from reconciler.cli.sharing import pseudonymize_options
from reconciler.cli.showing import form_option, show_run
from reconciler.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from reconciler.session import Session
    from reconciler.state.store import Holder

_form = option("--format", "form", type=Word(["text", "json"]), default="text", help="text or json.")


@group
def runs(context: click.Context) -> None:
    """List the runs of an environment, or show one."""
    help_if_alone(context)


@runs.command(name="list")
@_form
@common_options
@click.pass_context
def list_runs(context: click.Context, form: str) -> ExitCode:
    """List all runs, oldest first."""
    from reconciler import canonical
    from reconciler.render import runs_to_text

    here = host(context)
    with closing(here.session().open_store(read_only=True)) as store:
        found = store.runs()
    if form == "json":
        names = ("run_id", "plan_id", "environment", "status", "started_at", "ended_at", "who", "host", "exit_code")
        here.output.document(canonical.dumps({name: getattr(run, name) for name in names}) for run in found)
    else:
        here.output.document(runs_to_text(found, color=here.output.colored()))
    return ExitCode.DONE


@runs.command(name="show")
@argument("run_id", metavar="RUN")
@form_option
@pseudonymize_options
@common_options
@click.pass_context
def show_one(context: click.Context, run_id: str, form: str) -> ExitCode:
    """Show a run and all its steps; the beginning of its id is enough."""
    return show_run(host(context), run_id, form)


@command()
@argument("run_id", metavar="[RUN]", required=False)
@option("--expired", is_flag=True, help="Send the rest, too, although the plan has expired.")
@bounds_options
@base_url_option
@common_options
@click.pass_context
def resume(
    context: click.Context,
    /,
    run_id: str | None,
    expired: bool,
    **bounds: Any,
) -> ExitCode:
    """Go on with the unfinished run and its own plan: settle what is in doubt, send the rest."""
    from reconciler.execution import resume_run

    here = host(context)
    session = here.session()
    return run_and_report(
        here,
        "resume",
        Bounds(**bounds),
        lambda options: resume_run(session, options, run_id=run_id, expired=expired),
    )


@command()
@argument("run_id", metavar="RUN")
@argument("number", metavar="STEP", type=Whole(1))
@argument("outcome", metavar="applied|not-applied", type=Word(["applied", "not-applied"]))
@common_options
@click.pass_context
def resolve(context: click.Context, run_id: str, number: int, outcome: str) -> ExitCode:
    """Say what became of a STEP whose outcome isn't known, after you looked it up in Payway."""
    from reconciler.applying.settling import resolve as settle
    from reconciler.execution import find_run, plan_of

    here = host(context)
    session = here.session()
    with closing(session.open_store()) as store:
        run = find_run(store, run_id)
        plan = plan_of(run)
        if number > len(plan.steps):
            raise UsageError(f"run {run.run_id} has no step {number}", hint=f"its steps are 1 to {len(plan.steps)}")
        holder = _holder(here, session, "resolve")
        run = settle(store, run, plan, number, applied=outcome == "applied", holder=holder, now=session.clock())
    here.output.note(f"step {number} of run {run.run_id} is settled as {outcome}; the run is {run.status}")
    if run.unfinished:
        here.output.note(f"next: reconciler resume -e {run.environment}")
    return ExitCode.DONE


@command()
@argument("run_id", metavar="[RUN]", required=False)
@common_options
@click.pass_context
def abandon(context: click.Context, run_id: str | None) -> ExitCode:
    """Give up the unfinished run: nothing more of it is sent, doubts stay on their accounts."""
    from reconciler.applying.settling import abandon as give_up
    from reconciler.execution import unfinished_run

    here = host(context)
    session = here.session()
    with closing(session.open_store()) as store:
        run, plan = unfinished_run(store, run_id)
        run = give_up(store, run, plan, holder=_holder(here, session, "abandon"), now=session.clock())
    here.output.note(f"run {run.run_id} is abandoned")
    return ExitCode.DONE


@command()
@argument("lock_id", metavar="ID")
@common_options
@click.pass_context
def unlock(context: click.Context, lock_id: str) -> ExitCode:
    """Take the lock away from holder ID. Make sure that it is gone: a call of it may still be under way."""
    here = host(context)
    with closing(here.session().open_store()) as store:
        store.break_lock(lock_id)
    here.output.note(f"lock {lock_id} is broken; if its holder still runs, it sends no further call")
    return ExitCode.DONE


def _holder(here: Host, session: Session, command: str) -> Holder:
    from reconciler.execution import new_holder

    return new_holder(session, run_options(here, command))
