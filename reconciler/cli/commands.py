"""What commands are made of: click reads the line, and rich draws help pages, loaded only when one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

import click

if TYPE_CHECKING:
    from rich_click import RichCommand, RichContext, RichHelpFormatter


class _Context(click.Context):
    """A command's context, whose help is written by rich."""

    def make_formatter(self) -> click.HelpFormatter:
        """What draws a help page."""
        from rich_click import RichHelpFormatter

        return RichHelpFormatter(width=self.terminal_width, max_width=self.max_content_width)


class Command(click.Command):
    """A command."""

    context_class = _Context

    #: Rich's help pages ask for panels of a command's own.
    panels: ClassVar[tuple[()]] = ()

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Draw the help page."""
        from rich_click import RichCommand

        page = cast("RichCommand", self)
        context, pen = cast("RichContext", ctx), cast("RichHelpFormatter", formatter)
        self.format_usage(ctx, formatter)
        RichCommand.format_help_text(page, context, pen)
        RichCommand.format_options(page, context, pen)


class Group(Command, click.Group):
    """A command of commands."""

    command_class = Command


def command() -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function, named like it."""
    return click.command(cls=Command)
