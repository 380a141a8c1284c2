"""``validate``: all that is wrong with the manifests, at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.commands import command
from reconciler.cli.host import Host, at_option, host, moment, paths_argument
from reconciler.cli.kinds import Word
from reconciler.cli.options import common_options, option, reading_options
from reconciler.cli.sharing import begin, pseudonymize_options
from reconciler.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.diagnostics import Diagnostic
    from reconciler.errors import ReconcilerError

#: The formats that a forge reads, which looks paths up in the repository.
_FORGES: Final = ("github", "sarif", "gitlab", "junit")


@command()
@paths_argument
@at_option("The moment that windows are compared with (default: now).")
@option("--strict", is_flag=True, help="Warnings refuse, too.")
@option(
    "--format",
    "form",
    type=Word(["text", "json", *_FORGES]),
    default="text",
    help="text for people, json for programs, github for annotations, sarif for code scanning, "
    "gitlab for code quality, junit for test reports.",
)
@reading_options
@pseudonymize_options
@common_options
@click.pass_context
def validate(context: click.Context, paths: tuple[str, ...], at: str | None, strict: bool, form: str) -> ExitCode:
    """Check manifests and report everything that is wrong, with file, line and column.

    PATHS are files or folders (default: manifests/), - is standard input. Needs no state, token or network.
    """
    from reconciler.session import check_manifests, system_clock

    here = host(context)
    now = moment(at) or system_clock()
    try:
        begin(here, here.manifests(paths))
        checked = check_manifests(here.manifests(paths), now=now, reading=here.reading())
    except InvalidInput as error:
        # Whoever reads the document expects one; the message itself goes where all messages go.
        if form != "text":
            here.output.document(_document(here, form, error.diagnostics, strict=strict, refusal=error))
        raise
    found = checked.diagnostics
    here.output.document(_document(here, form, found, strict=strict))
    errors = sum(diagnostic.is_error for diagnostic in found)
    warnings = len(found) - errors
    counted = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    here.output.note(f"{_count(checked.accounts, 'account')} in {_count(checked.files, 'file')}: {counted}")
    refused = errors > 0 or (strict and warnings > 0)
    return ExitCode.INVALID if refused else ExitCode.DONE


def _document(
    here: Host, form: str, found: Iterable[Diagnostic], *, strict: bool, refusal: ReconcilerError | None = None
) -> Iterator[str]:
    from reconciler import render

    if here.output.keeper is not None:
        from reconciler.pseudonyms import of_diagnostics

        found = list(of_diagnostics(found, here.output.keeper.names))
        refusal = None if refusal is None else here.output.shared(refusal)
        here.output.keeper.save()
    if form in _FORGES:
        found = _from_top(found)
    if form == "json":
        return render.diagnostics_to_json(found)
    if form == "github":
        return render.diagnostics_to_github(found, refusal=refusal)
    if form == "sarif":
        return render.diagnostics_to_sarif(found, refusal=refusal)
    if form == "gitlab":
        return render.diagnostics_to_gitlab(found)
    if form == "junit":
        return render.diagnostics_to_junit(found, strict=strict, refusal=refusal)
    return render.diagnostics_to_text(found, color=here.output.colored(), total=False)


def _from_top(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    from pathlib import Path

    from reconciler.checkout import top
    from reconciler.render import Base, rebased

    try:
        here = Path.cwd()
    except OSError:
        # The working folder may have been deleted meanwhile.
        return iter(found)
    return rebased(found, Base((top(here) or here).as_posix(), here.as_posix()))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
