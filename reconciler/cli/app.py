"""The one list of commands. A command's module is imported when its name is typed, not before."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Final

import rich_click as click

from reconciler import __version__
from reconciler.cli.options import common_options

#: Name, then the module and the attribute that holds the command, and what it does in a few words.
COMMANDS: Final = {
    "validate": ("validate", "validate", "Check manifests; no state, no token, no network."),
    "plan": ("plan", "plan", "Show which calls would be made, and why."),
    "show": ("plan", "show", "Show a saved plan or a run again."),
    "explain": ("plan", "explain", "Say why each call of a saved plan is made, and what can come of it."),
    "requests": ("plan", "requests", "Print the exact requests of a saved plan as curl."),
    "apply": ("apply", "apply", "Run a saved plan, or plan and run."),
    "resume": ("runs", "resume", "Go on with a run that was stopped or killed."),
    "runs": ("runs", "runs", "List runs, or show one."),
    "resolve": ("runs", "resolve", "Settle a call whose outcome isn't known."),
    "abandon": ("runs", "abandon", "Give up an unfinished run."),
    "unlock": ("runs", "unlock", "Take the lock away from a holder that is gone."),
    "state": ("state", "state", "Known state: import, export, list, show, forget."),
    "simulate": ("simulate", "simulate", "Payway on a loopback port, for rehearsals."),
    "schema": ("info", "schema", "Print a JSON schema."),
    "config": ("info", "config", "Show the settings, and where each comes from."),
    "version": ("info", "version", "Print the version."),
}


class Commands(click.RichGroup):
    """The group of all commands, loaded one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command behind a name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"reconciler.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest name for one that doesn't exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=False,
    invoke_without_command=True,
)
@common_options
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Declare Payway user products in YAML, review the plan, apply exactly that.

    Begin with `reconciler validate`, then `reconciler plan -e stage`.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
