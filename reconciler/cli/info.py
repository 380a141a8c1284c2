"""``schema``, ``config`` and ``version``: what the program itself knows."""

from __future__ import annotations

import click

from reconciler.cli.commands import command
from reconciler.cli.host import host
from reconciler.cli.kinds import Word
from reconciler.cli.options import argument, common_options, group, help_if_alone, option
from reconciler.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")
SCHEMAS = ("account", "known-state", "plan", "plan-shard", "report", "config")


@command()
@argument("name", metavar="NAME", type=Word(SCHEMAS))
@common_options
@click.pass_context
def schema(context: click.Context, name: str) -> ExitCode:
    """Print a JSON schema, for editors and for programs that read our files.

    NAME is account, known-state, plan, plan-shard, report or config.
    """
    from reconciler.schemafiles import schema_text

    host(context).output.text([schema_text(name)])
    return ExitCode.DONE


@group
def config(context: click.Context) -> None:
    """The settings of an environment."""
    help_if_alone(context)


@config.command(name="show")
@option("--origin", is_flag=True, help="Say where each value comes from.")
@common_options
@click.pass_context
def show_config(context: click.Context, origin: bool) -> ExitCode:
    """Show every setting; no secret is looked up or shown."""
    from reconciler.render.escape import terminal
    from reconciler.settings import explain

    here = host(context)
    rows = explain(here.session().settings)
    width = max(len(row.name) for row in rows)
    for row in rows:
        where = f"   ({terminal(row.origin)})" if origin else ""
        here.output.document([f"{row.name:<{width}}  {terminal(row.value)}{where}"])
    return ExitCode.DONE


@command()
@argument("shell", metavar="SHELL", type=Word(SHELLS))
@common_options
@click.pass_context
def completion(context: click.Context, shell: str) -> ExitCode:
    """Print a script that makes SHELL (bash, zsh or fish) complete commands and options.

    For bash: reconciler completion bash > ~/.local/share/bash-completion/completions/reconciler
    """
    from click.shell_completion import get_completion_class

    from reconciler.cli.menu import COMPLETION_VARIABLE

    make = get_completion_class(shell)
    assert make is not None
    command = context.find_root().command
    script = make(command, {}, "reconciler", COMPLETION_VARIABLE).source()
    host(context).output.document([script.strip("\n")])
    return ExitCode.DONE


@command()
@common_options
@click.pass_context
def version(context: click.Context) -> ExitCode:
    """Print the version."""
    from reconciler import __version__

    host(context).output.document([__version__])
    return ExitCode.DONE
