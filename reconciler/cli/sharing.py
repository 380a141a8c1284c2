"""What the commands share whose output may be shared: ``--pseudonymize``; and ``reveal``, which leads back."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.commands import command
from reconciler.cli.host import Host, host
from reconciler.cli.options import argument, common_options, option, remember
from reconciler.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from reconciler.canonical import Json
    from reconciler.plan import Plan
    from reconciler.pseudonyms import Keeper
    from reconciler.render import Invocation

Command = TypeVar("Command", bound=Callable[..., Any])

_key_option = option(
    "--pseudonym-key",
    metavar="FILE",
    expose_value=False,
    callback=remember,
    help="The key of the stand-ins (default: .reconciler/pseudonyms.key, made when it is needed).",
)


def pseudonymize_options(command: Command) -> Command:
    """Add ``--pseudonymize`` and ``--pseudonym-key``."""
    flag = option(
        "--pseudonymize",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Show stand-ins for readers' ids and numbers, for output that is shared; `reveal` leads back.",
    )
    return flag(_key_option(command))


def begin(here: Host, paths: Sequence[str] | None = None) -> Keeper | None:
    """The stand-ins, if ``--pseudonymize`` was said: from here on, every message holds them, too.

    ``paths`` are manifests that the output may quote; by default those of the settings, since a saved plan tells of
    accounts whose numbers it doesn't hold. Raises `InvalidInput` if there can be no key.
    """
    if not here.said("pseudonymize"):
        return None
    from reconciler.pseudonyms import learn_from_manifests, open_keeper

    keeper = open_keeper(here.said("pseudonym_key"))
    for note in keeper.notes:
        here.output.warning(note)
    stdin = None
    if paths is None:
        paths = [path for path in _usual_manifests(here) if path != "-"]
    elif "-" in paths:
        # It can be read once only, and is needed twice.
        data = sys.stdin.buffer.read()
        sys.stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
        stdin = io.BytesIO(data)
    learn_from_manifests(paths, keeper.names, stdin)
    here.output.keeper = keeper
    here.output.note("ids and numbers of readers are stand-ins; `reconciler reveal` puts the originals back")
    return keeper


def _usual_manifests(here: Host) -> Sequence[str]:
    try:
        return here.manifests(())
    except InvalidInput:
        # Whoever needs the settings says what is wrong with them.
        return ()


def shared(keeper: Keeper | None, plan: Plan) -> Plan:
    """``plan`` as it is shown: itself, or with stand-ins."""
    if keeper is None:
        return plan
    from reconciler.pseudonyms import of_plan

    shown = of_plan(plan, keeper.names)
    keeper.save()
    return shown


def shared_report(keeper: Keeper | None, report: dict[str, Json], plan: Plan) -> dict[str, Json]:
    """The report of a run of ``plan`` as it is shown: itself, or with stand-ins."""
    if keeper is None:
        return report
    from reconciler.pseudonyms import of_report

    shown = of_report(report, plan, keeper.names)
    keeper.save()
    return shown


def shared_invocation(keeper: Keeper | None, invocation: Invocation) -> Invocation:
    """What was typed, as it is shown."""
    if keeper is None:
        return invocation
    from reconciler.pseudonyms import of_invocation

    shown = of_invocation(invocation, keeper.names)
    keeper.save()
    return shown


@command()
@argument("file", metavar="[FILE]", default="-")
@_key_option
@common_options
@click.pass_context
def reveal(context: click.Context, file: str) -> ExitCode:
    """Write FILE (or standard input) with the originals in place of the stand-ins that --pseudonymize made here.

    Reads the table beside the key; nothing else is asked. What it prints is personal data again.
    """
    from reconciler.pseudonyms import Revealed, reveal

    here = host(context)
    found = Revealed()
    try:
        with io.TextIOWrapper(
            sys.stdin.buffer if file == "-" else open(file, "rb"),  # noqa: PTH123 - the wrapper closes it
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
        ) as text:
            here.output.text(reveal(text, here.said("pseudonym_key"), found))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidInput(f"{file} can't be read: {error.strerror}", hint="name a text, or give it to stdin") from None
    here.output.note(f"put back {found.count:,} originals")
    if found.unknown:
        here.output.warning(
            f"{len(found.unknown):,} stand-ins aren't in the table, such as {min(found.unknown)}: "
            "they were made with another key, or on another machine"
        )
    return ExitCode.DONE
