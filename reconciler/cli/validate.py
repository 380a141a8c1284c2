"""``validate``: all that is wrong with the manifests, at once."""

from __future__ import annotations

import rich_click as click

from reconciler.cli.host import at_option, host, moment, paths_argument
from reconciler.cli.kinds import Word
from reconciler.cli.options import common_options, option
from reconciler.errors import ExitCode


@click.command()
@paths_argument
@at_option("The moment that windows are compared with (default: now).")
@option("--strict", is_flag=True, help="Warnings refuse, too.")
@option(
    "--format",
    "form",
    type=Word(["text", "json", "github"]),
    default="text",
    help="text for people, json for programs, github for annotations.",
)
@common_options
@click.pass_context
def validate(context: click.Context, paths: tuple[str, ...], at: str | None, strict: bool, form: str) -> ExitCode:
    """Check manifests and report everything that is wrong, with file, line and column.

    PATHS are files or folders (default: manifests/), - is standard input. Needs no state, token or network.
    """
    from reconciler import render
    from reconciler.session import load_manifests, system_clock

    here = host(context)
    desired = load_manifests(here.manifests(paths), now=moment(at) or system_clock())
    found = desired.diagnostics
    if form == "json":
        here.output.document(render.diagnostics_to_json(found))
    elif form == "github":
        here.output.document(render.diagnostics_to_github(found))
    else:
        here.output.document(render.diagnostics_to_text(found, color=here.output.colored(), total=False))
    errors, warnings = len(desired.errors), len(found) - len(desired.errors)
    counted = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    here.output.note(f"{_count(len(desired.accounts), 'account')} in {_count(desired.files, 'file')}: {counted}")
    refused = errors > 0 or (strict and warnings > 0)
    return ExitCode.INVALID if refused else ExitCode.DONE


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
