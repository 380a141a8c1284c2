"""``plan``, and the commands that show a saved plan again: ``show``, ``explain``, ``requests``."""

from __future__ import annotations

import click

from reconciler.cli.commands import command
from reconciler.cli.host import at_option, host, moment
from reconciler.cli.kinds import Part, Whole
from reconciler.cli.merging import (
    MOST_SHARDS,
    PathsOrCommand,
    WithCommands,
    check_out,
    check_place,
    exit_code,
    merge,
    plan_shard,
    write_plan,
)
from reconciler.cli.options import argument, base_url_option, common_options, option, reading_options
from reconciler.cli.sharing import begin, pseudonymize_options, shared, shared_invocation
from reconciler.cli.showing import (
    accept_option,
    form_option,
    select_option,
    show_plan,
    show_run,
    warn,
    warn_if_nothing_selected,
)
from reconciler.errors import ExitCode, UsageError


@click.group(cls=WithCommands, invoke_without_command=True)
@argument("paths", nargs=-1, metavar="[PATHS]...", type=PathsOrCommand(merge.name))
@option("-o", "--out", metavar="FILE", help="Write the plan file, for review and `apply FILE`.")
@option(
    "--shard",
    type=Part(MOST_SHARDS),
    metavar="I/N",
    help="Plan only part I of N, for `plan merge`; needs --out and --at.",
)
@form_option
@at_option("Plan for another moment; one in the future is a what-if and can't be applied.")
@select_option
@accept_option
@option("--detailed-exitcode", is_flag=True, help="Exit 2 if there are changes.")
@base_url_option
@reading_options
@pseudonymize_options
@common_options
@click.pass_context
def plan(
    context: click.Context,
    paths: tuple[str, ...],
    out: str | None,
    shard: tuple[int, int] | None,
    form: str,
    at: str | None,
    select: tuple[str, ...],
    accept: tuple[str, ...],
    detailed_exitcode: bool,
) -> ExitCode:
    """Show which calls would bring Payway to what the manifests declare, in their order, and why.

    Nothing is called, and nothing is written but the file of --out and a cache. Exits 5 if a guard refuses the plan.
    The file of --out is the real plan, also with --pseudonymize.

    A folder of manifests that is named like a command below is written as ./merge.
    """
    from reconciler.render import Invocation

    here = host(context)
    check_place(paths)
    check_out(out)
    if shard is not None:
        return plan_shard(context, paths, shard, out=out, at=at, select=select)
    session = here.session(paths)
    keeper = begin(here, session.settings.manifests)
    planned = session.plan(at=moment(at), select=select, accept=accept)
    warn(here, planned.warnings)
    shown = shared(keeper, planned.plan)
    warn_if_nothing_selected(here, shown)
    if out is not None:
        write_plan(here, planned.plan, out)
    show_plan(here, shown, form, shared_invocation(keeper, Invocation(out, paths, here.repeated())))
    return exit_code(planned.plan, detailed=detailed_exitcode)


plan.add_command(merge)


@command()
@argument("plan_or_run", metavar="PLAN|RUN")
@form_option
@pseudonymize_options
@common_options
@click.pass_context
def show(context: click.Context, plan_or_run: str, form: str) -> ExitCode:
    """Show a saved plan again, or a run by its id."""
    import os

    from reconciler.render import Invocation
    from reconciler.session import read_plan_file

    here = host(context)
    # A run's id holds neither; what was meant as a file is reported as one that isn't there.
    named_as_file = plan_or_run == "-" or "/" in plan_or_run or "." in plan_or_run
    if not (named_as_file or os.path.lexists(plan_or_run)):
        return show_run(here, plan_or_run, form)
    keeper = begin(here)
    saved = shared(keeper, read_plan_file(plan_or_run)[0])
    show_plan(here, saved, form, shared_invocation(keeper, Invocation(plan_or_run, (), here.repeated())))
    return ExitCode.DONE


@command()
@argument("plan_file", metavar="PLAN")
@argument("number", metavar="[NUMBER]", required=False, type=Whole(1))
@pseudonymize_options
@common_options
@click.pass_context
def explain(context: click.Context, plan_file: str, number: int | None) -> ExitCode:
    """Say of each step (or of one NUMBER) why it is made, from which line, and what each answer would mean."""
    from reconciler.render import explain_to_text
    from reconciler.session import read_plan_file

    here = host(context)
    saved = shared(begin(here), read_plan_file(plan_file)[0])
    if number is not None and number > len(saved.steps):
        raise UsageError(f"the plan has no step {number}", hint=f"its steps are 1 to {len(saved.steps)}")
    here.output.document(explain_to_text(saved, number, color=here.output.colored()))
    return ExitCode.DONE


@command()
@argument("plan_file", metavar="PLAN")
@pseudonymize_options
@common_options
@click.pass_context
def requests(context: click.Context, plan_file: str) -> ExitCode:
    """Print the exact requests of a saved plan as curl; the token is left to a variable."""
    from reconciler.render import requests_to_text
    from reconciler.session import read_plan_file

    here = host(context)
    here.output.document(requests_to_text(shared(begin(here), read_plan_file(plan_file)[0])))
    return ExitCode.DONE
