"""The command line as click sees it. A command's module is imported when its name is typed, not before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

import click
from click.exceptions import Exit

from reconciler import __version__
from reconciler.cli.commands import Group
from reconciler.cli.kinds import nearest
from reconciler.cli.menu import COMMANDS, COMPLETION_VARIABLE, help_page
from reconciler.cli.options import Said, common_options
from reconciler.cli.output import Output
from reconciler.errors import ExitCode


class Commands(Group):
    """The group of all commands, loaded one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command behind a name."""
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"reconciler.cli.{entry.module}"), entry.attribute)
        return command

    def get_help(self, ctx: click.Context) -> str:
        """The page that needs no command's module."""
        return "\n".join(help_page())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest name for one that doesn't exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], list(COMMANDS))
            hint = f"; did you mean {near!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    # Rich knows where colours belong, so click needn't take them out again.
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "color": True},
    no_args_is_help=False,
    invoke_without_command=True,
)
@common_options
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Declare Payway user products in YAML, review the plan, apply exactly that."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def invoke(arguments: Sequence[str], output: Output) -> int:
    """Run a command line; returns its exit code. What goes wrong is raised, but for a line that isn't understood."""
    if COMPLETION_VARIABLE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(app, {}, "reconciler", COMPLETION_VARIABLE, os.environ[COMPLETION_VARIABLE])
    try:
        # Not app.main(): that has exit codes and last words of its own.
        with app.make_context("reconciler", list(arguments), obj=Said(output)) as context:
            return int(app.invoke(context) or ExitCode.DONE)
    except Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        if _wants_json(arguments):
            output.log_format = "json"
        output.usage(error)
        return ExitCode.USAGE
    except click.Abort:
        raise KeyboardInterrupt from None


def _wants_json(arguments: Sequence[str]) -> bool:
    """True if the line asks for JSON messages somewhere behind the place where it stopped being understood."""
    pairs = pairwise(arguments)
    return "--log-format=json" in arguments or ("--log-format", "json") in pairs
