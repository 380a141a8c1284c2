"""What an option or argument can take, each with a message that says what would be right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


#: What a metavar says of a value that names something in the file system, for the shell's completion.
_PLACES = {"FILE": "file", "PLAN": "file", "PLAN|RUN": "file", "PATHS": "file", "PLAN|[PATHS": "file", "DIR": "dir"}


class Text(click.ParamType[str]):
    """Any text but the empty one: that is a script's variable that wasn't set, and not what anybody means."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """``value`` as it is."""
        text = str(value)
        if not text:
            self.fail("it is empty", param, ctx)
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """File names where one is meant, and the environments that there are."""
        from click.shell_completion import CompletionItem

        if param.name == "environment":
            return [CompletionItem(name) for name in _environments(ctx) if name.startswith(incomplete)]
        kind = _PLACES.get((param.metavar or "").strip("[]."))
        return [CompletionItem(incomplete, type=kind)] if kind is not None else []

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """A variable of an option that can be repeated holds one value a line: spaces may belong to a value."""
        return rv.splitlines()


class Word(click.Choice[str]):
    """One of a few words; what is typed nearly right is recognised."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """What is wrong, the nearest word if there is one, and all of them."""
        near = nearest(str(value), self.choices)
        return f"{value!r} isn't one of {', '.join(self.choices)}" + (f"; did you mean {near!r}?" if near else "")

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """All the words, on one line."""
        return f"It is one of {', '.join(self.choices)}"


class Whole(click.ParamType[int]):
    """A whole number from ``least`` to ``most``."""

    name = "number"

    def __init__(self, least: int, most: int = 10**9) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number behind ``value``."""
        text = str(value)
        if re.fullmatch(r"[0-9]{1,18}", text) is None or not self.least <= int(text) <= self.most:
            self.fail(f"{text!r} isn't a whole number from {self.least} to {self.most}", param, ctx)
        return int(text)


class Part(click.ParamType[tuple[int, int]]):
    """One of several parts: ``2/8`` is the second of eight."""

    name = "part"

    def __init__(self, most: int) -> None:
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Which part, and of how many."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", str(value))
        number, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= of <= self.most:
            self.fail(f"{str(value)!r} isn't one of several parts: write 2/8 for the second of eight", param, ctx)
        return number, of


class Rate(click.ParamType[float]):
    """Calls a second: a number such as ``5`` or ``0.5``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number behind ``value``."""
        text = str(value)
        # Less often than once in ten minutes is a slip of the finger, and so is more than any network gives.
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) is None or not 1 / 600 <= float(text) <= 1000:
            self.fail(f"{text!r} isn't a number of calls a second: write it as 5 or 0.5 (0.002 to 1000)", param, ctx)
        return float(text)


class Duration(click.ParamType[float]):
    """Seconds, written as ``30s``, ``90m``, ``24h`` or a number."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds behind ``value``."""
        from reconciler.limits import BadDuration, parse_duration

        try:
            return parse_duration(str(value))
        except BadDuration as error:
            self.fail(str(error), param, ctx)


def _environments(ctx: click.Context) -> Sequence[str]:
    """The names that ``--environment`` takes here; with settings that can't be read, the built-in ones."""
    import os

    from reconciler.errors import ReconcilerError
    from reconciler.settings import Settings, load_settings

    try:
        return load_settings(ctx.params.get("config"), os.environ).environment_names()
    except ReconcilerError:
        return Settings().environment_names()


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The one of ``words`` that was probably meant by ``word``."""
    import difflib

    return next(iter(difflib.get_close_matches(word, words, n=1)), None)
