"""``init``: a working repository, in which a rehearsal works at once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.commands import command
from reconciler.cli.host import Host, host
from reconciler.cli.options import argument, common_options, option
from reconciler.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from reconciler.scaffold import Reference


@command()
@argument("folder", metavar="[DIR]", default=".")
@option(
    "--workflows",
    metavar="OWNER/REPO@REF",
    help="Also write workflows for GitHub that call those of this repository (default: where pip took this from).",
)
@option("--keep", is_flag=True, help="Leave files that are there and differ, and write the others.")
@common_options
@click.pass_context
def init(context: click.Context, folder: str, workflows: str | None, keep: bool) -> ExitCode:
    """Make a working repository in DIR (default: here): settings, an example, the schema for editors, workflows.

    No file is replaced: if one is there and differs, nothing is written. A .gitignore gets the lines that it lacks.
    The simulator's store is filled from the example, so that `plan -e simulator` works at once.
    """
    from reconciler.scaffold import installed_from, parse_reference, pieces, rehearsal, write

    here = host(context)
    top = Path(folder)
    if top.exists() and not top.is_dir():
        raise InvalidInput(f"{folder} is no folder", hint="name one, or a path at which one can be made")
    reference = parse_reference(workflows) if workflows is not None else installed_from()
    found = pieces(top, reference)
    differing = [piece.path for piece in found if piece.fate == "other"]
    if differing and not keep:
        raise InvalidInput(
            "a file of that name is there and differs; nothing was written"
            if len(differing) == 1
            else f"{len(differing)} files of those names are there and differ; nothing was written",
            details=[str(top / path) for path in differing],
            hint="--keep leaves them as they are and writes the others; or name an empty folder",
        )
    for piece in found:
        if piece.fate in ("new", "longer"):
            write(top, piece)
        told = {
            "new": "wrote",
            "longer": "added lines to",
            "same": "left as it is:",
            "other": "left, though it differs:",
        }
        here.output.note(f"{told[piece.fate]} {top / piece.path}")
    _tell_workflows(here, reference)
    _tell_next(here, folder, filled=rehearsal.fill(top))
    return ExitCode.DONE


def _tell_workflows(here: Host, reference: Reference | None) -> None:
    if reference is None:
        here.output.note("no workflows: --workflows OWNER/REPO@REF says where those to be called are")
    elif not reference.is_commit:
        here.output.warning(
            f"the workflows call {reference.repository}@{reference.ref}, which can be moved; a commit's 40 digits can't"
        )


def _tell_next(here: Host, folder: str, *, filled: bool) -> None:
    """The commands to type next, each on a line of its own."""
    from reconciler.scaffold import KNOWN_STATE

    steps = [] if Path(folder).resolve() == Path.cwd() else [f"cd {shlex.quote(folder)}"]
    steps += ["reconciler validate"]
    steps += [] if filled else [f"reconciler state import -e simulator {KNOWN_STATE}"]
    steps += ["reconciler plan -e simulator", "reconciler apply -e simulator"]
    here.output.note("next:")
    for step in steps:
        here.output.note(f"  {step}")
