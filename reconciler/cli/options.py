"""The options that every command has, and the rule by which each option has its variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import rich_click as click

from reconciler.cli.output import Output

Command = TypeVar("Command", bound=Callable[..., Any])

#: Options without a variable: they are said aloud, each time (contract, section 5).
SAID_ALOUD: Final = frozenset({"--yes", "--accept", "--expect", "--at", "--base-url"})

#: Common options whose variable the settings read, so that ``config show --origin`` can tell.
_IN_SETTINGS: Final = frozenset({"--environment", "--config", "--state"})


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """A click option with the variable ``RECONCILER_<FLAG>``."""
    flag = next(name for name in names if name.startswith("--")).split("/")[0]
    if flag not in SAID_ALOUD | _IN_SETTINGS:
        attributes.setdefault("envvar", "RECONCILER_" + flag[2:].upper().replace("-", "_"))
        attributes.setdefault("show_envvar", False)
    return click.option(*names, **attributes)


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a common option wherever on the line it stood; the one nearest to the command's end wins."""
    if value is not None and value is not False and parameter.name is not None:
        context.find_root().obj[parameter.name] = value


def _remember_output(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False:
        return
    output: Output = context.find_root().obj["output"]
    setattr(output, str(parameter.name), value)


def common_options(command: Command) -> Command:
    """Add the options that every command has."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _remember}
    show: dict[str, Any] = {"expose_value": False, "callback": _remember_output}
    choice = click.Choice
    for decorate in (
        option("--log-format", type=choice(["text", "json"]), help="How messages on standard error look.", **show),
        option("-q", "--quiet", is_flag=True, help="Only documents, warnings and errors.", **show),
        option("-v", "--verbose", is_flag=True, help="Say more.", **show),
        option("--color", type=choice(["auto", "always", "never"]), help="Colour; auto asks the terminal.", **show),
        option("--state", metavar="URL", help="The state store, or file:PATH for a snapshot.", **keep),
        option("--config", metavar="FILE", help="The settings (default: reconciler.toml).", **keep),
        option("-e", "--environment", metavar="NAME", help="stage, production, simulator or a declared one.", **keep),
    ):
        command = decorate(command)
    return command


def base_url_option(command: Command) -> Command:
    """Add ``--base-url``."""
    return option(
        "--base-url",
        metavar="URL",
        expose_value=False,
        callback=_remember,
        help="Another host; for built-in environments only loopback.",
    )(command)
