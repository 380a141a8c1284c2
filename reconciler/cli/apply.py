"""``apply``: run a saved plan, or plan, show, ask and run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from reconciler.cli.commands import command
from reconciler.cli.host import Host, host
from reconciler.cli.kinds import Whole
from reconciler.cli.options import argument, base_url_option, common_options, option, reading_options
from reconciler.cli.running import Bounds, bounds_options, run_and_report
from reconciler.cli.showing import accept_option, select_option, show_plan, warn, warn_if_nothing_selected
from reconciler.errors import ExitCode, NotApproved, Refused, UsageError

if TYPE_CHECKING:
    from reconciler.model import DeclaredAccount
    from reconciler.plan import Plan
    from reconciler.session import Planned, Session


@command()
@argument("paths", nargs=-1, metavar="PLAN|[PATHS]...")
@option("--yes", is_flag=True, help="Don't ask.")
@option("--dry-run", is_flag=True, help="Run it against the simulator over a copy of known state; nothing is sent.")
@option("--expect", metavar="DIGEST|PLAN", help="Plan again, and run only what this reviewed plan holds.")
@option("--max-failures", type=Whole(1), metavar="N", help="Stop after so many failed accounts.")
@bounds_options
@select_option
@accept_option
@base_url_option
@reading_options
@common_options
@click.pass_context
def apply(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    expect: str | None,
    max_failures: int | None,
    select: tuple[str, ...],
    accept: tuple[str, ...],
    **bounds: Any,
) -> ExitCode:
    """Run a saved PLAN, or plan from the manifests under PATHS, show the plan, ask, and run it.

    One call at a time, in the plan's order; each is written to the journal before and after. Ctrl-C finishes the
    call in flight and stops; `reconciler resume` goes on.
    """
    from reconciler.execution import refuse_busy_store, refuse_lost_journal
    from reconciler.planfile import plan_text
    from reconciler.session import looks_like_plan, read_plan_file

    here = host(context)
    bound = Bounds(**bounds)
    bound.check()
    if len(paths) == 1 and (paths[0] == "-" or looks_like_plan(paths[0])):
        _no_planning_options(context)
        plan, text = read_plan_file(paths[0])
        session = here.session(environment=plan.environment, max_failures=max_failures)
        if not dry_run:
            refuse_lost_journal(session, here.environ)
        return _carry_out(here, session, plan, text, bound, dry_run=dry_run)
    reviewed = _reviewed(expect)
    reviewed_for = reviewed.environment if reviewed is not None else None
    session = here.session(paths, environment=reviewed_for, max_failures=max_failures)
    if not dry_run:
        refuse_lost_journal(session, here.environ)
        refuse_busy_store(session)
    planned = _plan(here, session, select, accept, reviewed or expect, rehearsal=dry_run or session.is_rehearsal)
    plan = planned.plan
    _show(here, plan, paths)
    if not plan.steps:
        return ExitCode.DONE
    if not (yes or dry_run or expect):
        _ask(here, plan)
    return _carry_out(here, session, plan, plan_text(plan), bound, planned.declared, dry_run=dry_run)


def _carry_out(
    here: Host,
    session: Session,
    plan: Plan,
    text: str,
    bounds: Bounds,
    declared: tuple[DeclaredAccount, ...] = (),
    *,
    dry_run: bool,
) -> ExitCode:
    from reconciler.execution import apply_plan
    from reconciler.execution import dry_run as rehearse

    run = rehearse if dry_run else apply_plan
    return run_and_report(
        here,
        "apply",
        bounds,
        lambda options: run(session, plan, text, options, declared=declared),
        rehearsal=dry_run,
    )


def _reviewed(expect: str | None) -> Plan | None:
    """The plan file that ``--expect`` names, unless it says a digest. Raises `UsageError` for half a digest."""
    from reconciler.expectations import DIGEST
    from reconciler.session import read_plan_file

    if expect is None or DIGEST.fullmatch(expect):
        return None
    if expect.startswith("sha256:"):
        raise UsageError(f"--expect: {expect} is no digest", hint="it is sha256: and 64 digits from 0 to f")
    return read_plan_file(expect)[0]


def _plan(
    here: Host,
    session: Session,
    select: tuple[str, ...],
    accept: tuple[str, ...],
    expected: Plan | str | None,
    *,
    rehearsal: bool,
) -> Planned:
    """A fresh plan, held against what was reviewed: a plan or its digest."""
    from reconciler.expectations import accepted_by, check_digest, check_plan

    if expected is not None and not isinstance(expected, str):
        accept = (*accept, *accepted_by(expected))
    planned = session.plan(select=select, accept=accept, outlines=rehearsal)
    warn(here, planned.warnings)
    warn_if_nothing_selected(here, planned.plan)
    if isinstance(expected, str):
        check_digest(planned.plan, expected)
    elif expected is not None:
        check_plan(planned.plan, expected)
    return planned


def _show(here: Host, plan: Plan, paths: tuple[str, ...]) -> None:
    from reconciler.render import Invocation

    shown_as = Invocation(None, paths, here.repeated())
    show_plan(here, plan, "text", shown_as, next_line=not plan.steps or bool(plan.refused))
    if plan.refused:
        raise Refused(
            "a guard refuses this plan; nothing was sent",
            details=[f"{refusal.guard}: {refusal.message}" for refusal in plan.refused],
            hint="if it is meant: " + " ".join(f"--accept {refusal.guard}" for refusal in plan.refused),
        )
    if plan.steps:
        here.output.document([""])  # before the question, or the run's report


def _ask(here: Host, plan: Plan) -> None:
    """Ask whether to run ``plan``. Raises `NotApproved` for any answer but yes, and where nobody can be asked."""
    if not sys.stdin.isatty():
        raise NotApproved(
            "nobody can be asked here, so nothing was sent",
            hint="review a saved plan and `apply` that file, or say --yes",
        )
    count = len(plan.steps)
    calls = "this call" if count == 1 else f"these {count:,} calls"
    if here.output.ask(f"Make {calls} to {plan.environment} ({plan.host})? Only yes goes on:") != "yes":
        raise NotApproved("not approved; nothing was sent")


def _no_planning_options(context: click.Context) -> None:
    """Raise `UsageError` if the command line plans anew; a variable that does so means other commands."""
    for name in ("select", "accept", "expect"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--{name} is for planning, and this is a saved plan",
                hint="apply the manifests instead, or leave it out",
            )
