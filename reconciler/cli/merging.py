"""Plans in shards: one for each of several jobs, and ``plan merge``, which puts them together."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from reconciler.cli.commands import Group, command
from reconciler.cli.host import Host, host, moment
from reconciler.cli.kinds import Text
from reconciler.cli.menu import COMMON
from reconciler.cli.options import argument, common_options, option
from reconciler.cli.sharing import begin, pseudonymize_options, shared, shared_invocation
from reconciler.cli.showing import accept_option, form_option, show_plan, warn, warn_if_nothing_selected
from reconciler.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from reconciler.plan import Plan

#: As many as there are buckets of accounts (`reconciler.manifests.fleetdigest`).
MOST_SHARDS: Final = 256

#: What belongs to all shards at once, and so to `plan merge`.
_OF_MERGE: Final = {"form": "--format", "accept": "--accept", "detailed_exitcode": "--detailed-exitcode"}
#: The options that may stand before the command below, and whether a value follows.
_TAKES_VALUE: Final = {name: each.takes is not None for each in COMMON for name in each.names}


class WithCommands(Group):
    """A command with commands below it: which is meant, its first argument says."""

    def __init__(self, **attributes: Any) -> None:
        callback: Callable[..., Any] = attributes.pop("callback")

        def alone(*values: Any, **named: Any) -> Any:
            context = click.get_current_context(silent=True)
            return None if context is not None and context.invoked_subcommand else callback(*values, **named)

        super().__init__(callback=update_wrapper(alone, callback), **attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As a group, if a command stands before all arguments and options of its own; otherwise as one command."""
        below = self._first_word(args) in self.commands
        ctx.meta[_BELOW] = below
        ctx.allow_interspersed_args = not below
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The common options alone, where the others belong to the command below."""
        found = super().get_params(ctx)
        if ctx.command is self and not ctx.meta.get(_BELOW):
            return found
        return [each for each in found if not _TAKES_VALUE.keys().isdisjoint(each.opts) or "--help" in each.opts]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Those of the one command."""
        return click.Command.collect_usage_pieces(self, ctx)

    def _first_word(self, args: list[str]) -> str | None:
        """What stands behind nothing but common options, if anything."""
        rest = iter(args)
        for arg in rest:
            if not arg.startswith("-") or arg == "-":
                return arg
            name = arg.partition("=")[0] if arg.startswith("--") else arg[:2]
            if name not in _TAKES_VALUE:
                return None
            if name == arg and _TAKES_VALUE[name]:
                next(rest, None)
        return None


_BELOW: Final = f"{__name__}.below"


class PathsOrCommand(Text):
    """Paths, the first of which may be a command."""

    def __init__(self, command: str | None) -> None:
        self.command = command or ""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Files, and the command, if it is nearly there."""
        from click.shell_completion import CompletionItem

        found = super().shell_complete(ctx, param, incomplete)
        is_near = len(incomplete) > 1 and self.command.startswith(incomplete) and not ctx.params.get(param.name or "")
        return [*found, CompletionItem(self.command)] if is_near else found


@command()
@argument("files", metavar="FILE...", nargs=-1, required=True)
@option("-o", "--out", metavar="FILE", help="Write the plan file, for review and `apply FILE`.")
@form_option
@accept_option
@option("--detailed-exitcode", is_flag=True, help="Exit 2 if there are changes.")
@pseudonymize_options
@common_options
@click.pass_context
def merge(
    context: click.Context,
    files: tuple[str, ...],
    out: str | None,
    form: str,
    accept: tuple[str, ...],
    detailed_exitcode: bool,
) -> ExitCode:
    """Put the FILEs of `plan --shard` together to the plan that one job would have made.

    All shards are needed. Here the guards judge, here --accept is said, and here it turns out whether two shards
    declare what only one place may hold. Needs no state, no manifests and no network. Exits 5 if a guard refuses.
    """
    from reconciler.render import Invocation
    from reconciler.session import merged_plan

    here = host(context)
    check_out(out)
    keeper = begin(here)
    plan, warnings = merged_plan(files, accept)
    warn(here, warnings)
    shown = shared(keeper, plan)
    warn_if_nothing_selected(here, shown)
    if out is not None:
        write_plan(here, plan, out)
    show_plan(here, shown, form, shared_invocation(keeper, Invocation(out, (), here.repeated())))
    return exit_code(plan, detailed=detailed_exitcode)


def plan_shard(
    context: click.Context,
    paths: tuple[str, ...],
    part: tuple[int, int],
    *,
    out: str | None,
    at: str | None,
    **rest: Any,
) -> ExitCode:
    """``plan --shard``: write one shard of a plan, and show nothing of it."""
    from reconciler.files import write_atomically
    from reconciler.manifests.shards import Shard
    from reconciler.shardfile import shard_lines

    here = host(context)
    now = moment(at)
    if out is None:
        raise UsageError("--shard needs --out", hint="a shard is no plan to look at: `plan merge` shows the whole")
    if now is None:
        hint = "give the same time to every job, such as that of the commit; one that has passed is no what-if"
        raise UsageError("--shard needs --at: all shards of a plan are made for one moment", hint=hint)
    for name, flag in _OF_MERGE.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"{flag} doesn't go with --shard", hint="say it to `plan merge`, which sees the whole plan"
            )
    session = here.session(paths)
    begin(here, session.settings.manifests)
    made, warnings = session.plan_shard(Shard(*part), at=now, **rest)
    warn(here, warnings)
    write_atomically(out, (piece.encode("ascii") for piece in shard_lines(made)))
    due = sum(bool(outcome.steps) for outcome in made.tally.outcomes)
    here.output.note(
        f"wrote shard {part[0]} of {part[1]} to {out}: {made.tally.accounts:,} accounts, {due:,} of them with steps"
    )
    return ExitCode.DONE


def check_place(paths: tuple[str, ...]) -> None:
    """Raise `UsageError` if ``merge`` was meant as the command, but stands where it is a path."""
    if paths[:1] == (merge.name,):
        raise UsageError(
            "merge has to stand right behind plan, before its own options",
            hint="write `reconciler plan merge FILE...`; a folder of that name is ./merge",
        )


def check_out(out: str | None) -> None:
    """Raise what is wrong with ``--out``, before there is anything to be lost."""
    from reconciler.files import check_writable

    if out == "-":
        raise UsageError("--out takes a file", hint="for the plan file on standard output, use --format json")
    if out is not None:
        check_writable(out)


def write_plan(here: Host, plan: Plan, out: str) -> None:
    """Write the plan file."""
    from reconciler.files import write_atomically
    from reconciler.planfile import plan_lines

    write_atomically(out, (piece.encode("ascii") for piece in plan_lines(plan)))
    here.output.note(f"wrote the plan to {out}")


def exit_code(plan: Plan, *, detailed: bool) -> ExitCode:
    """How a command ends that has shown ``plan``."""
    if plan.refused:
        return ExitCode.REFUSED
    return ExitCode.CHANGES if detailed and plan.steps else ExitCode.DONE
