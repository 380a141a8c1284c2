"""The options that every command has, and the rule by which each option has its variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.commands import Group
from reconciler.cli.kinds import Text, Whole, Word
from reconciler.cli.menu import COMMON
from reconciler.cli.output import Output

Command = TypeVar("Command", bound=Callable[..., Any])

#: Options without a variable: they are said aloud, each time (contract, section 5).
SAID_ALOUD: Final = frozenset({"--yes", "--accept", "--expect", "--at", "--base-url"})

#: Options whose variable the settings read, so that ``config show --origin`` can tell.
IN_SETTINGS: Final = frozenset({"--environment", "--config", "--state", "--max-failures"})


class Said:
    """What the common options said, wherever on the line they stood; the one nearest to its end wins."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.values: dict[str, str] = {}
        self._by_flag: set[str] = set()

    def keep(self, name: str, value: Any, *, by_flag: bool) -> None:
        """Keep a value; one that a variable gives doesn't take the place of a flag's."""
        if name in self._by_flag and not by_flag:
            return
        if by_flag:
            self._by_flag.add(name)
        if hasattr(self.output, name):
            setattr(self.output, name, value)
        else:
            self.values[name] = value


def group(command: Callable[[click.Context], Any]) -> Group:
    """A command of commands: it takes the common options, too, and alone it shows its help."""
    decorated = common_options(click.pass_context(command))
    return click.group(cls=Group, invoke_without_command=True, no_args_is_help=False)(decorated)


def help_if_alone(context: click.Context) -> None:
    """Show the help of a group if none of its commands is named."""
    if context.invoked_subcommand is None:
        said(context).output.document([context.get_help().rstrip("\n")])


def said(context: click.Context) -> Said:
    """What the common options said on this line."""
    found = context.find_root().obj
    assert isinstance(found, Said)
    return found


def variable_of(flag: str) -> str:
    """The variable of the option ``flag``, such as ``RECONCILER_LOG_FORMAT``."""
    return "RECONCILER_" + flag.removeprefix("--").upper().replace("-", "_")


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """A click option with the variable ``RECONCILER_<FLAG>``; if it takes a value, not an empty one."""
    flag = next(name for name in names if name.startswith("--"))
    if flag not in SAID_ALOUD | IN_SETTINGS:
        attributes.setdefault("envvar", variable_of(flag))
        attributes.setdefault("show_envvar", False)
    if not attributes.get("is_flag"):
        attributes.setdefault("type", Text())
    return click.option(*names, **attributes)


def argument(name: str, **attributes: Any) -> Callable[[Command], Command]:
    """A click argument, which isn't empty."""
    attributes.setdefault("type", Text())
    return click.argument(name, **attributes)


def remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep what an option said, for `Host`: a callback for options that commands needn't be handed."""
    assert parameter.name is not None
    if value is None or value is False:
        return
    by_flag = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    said(context).keep(parameter.name, value, by_flag=by_flag)


def common_options(command: Command) -> Command:
    """Add the options that every command has."""
    for names, takes, words in reversed(COMMON):
        attributes: dict[str, Any] = {"help": words, "expose_value": False, "callback": remember}
        if takes is None:
            attributes["is_flag"] = True
        elif isinstance(takes, str):
            attributes["metavar"] = takes
        else:
            attributes["type"] = Word(takes)
        command = option(*names, **attributes)(command)
    return command


def base_url_option(command: Command) -> Command:
    """Add ``--base-url``."""
    return option(
        "--base-url",
        metavar="URL",
        expose_value=False,
        callback=remember,
        help="Another host; for built-in environments only loopback.",
    )(command)


def reading_options(command: Command) -> Command:
    """Add how manifests are read."""
    for names, attributes in reversed(
        (
            (("--jobs",), {"type": Whole(1, 256), "metavar": "N", "help": "Processes to use (default: the cores)."}),
            (("--cluster",), {"metavar": "tcp://HOST:PORT", "help": "Let the workers of a Dask scheduler read."}),
            (("--no-cache",), {"is_flag": True, "help": "Read everything, keep nothing in .reconciler/cache.db."}),
            (("--full-hash",), {"is_flag": True, "help": "Compare the bytes of files, not only size and times."}),
        )
    ):
        command = option(*names, expose_value=False, callback=remember, **attributes)(command)
    return command
