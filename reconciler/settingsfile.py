"""Reads ``reconciler.toml`` and knows on which line each key stands, which the TOML parser doesn't tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from reconciler.diagnostics import Diagnostic, Position
from reconciler.errors import InvalidInput

#: The name that is looked for in the working folder.
FILE_NAME: Final = "reconciler.toml"

#: Settings are never this long; a device or a log file might be.
_MAX_BYTES: Final = 1024 * 1024

#: The keys from the top to a value; a number is a place in a list.
KeyPath: TypeAlias = "tuple[str | int, ...]"

_WORD: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # the four kinds of string; the long ones may end in a quote of their own
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'"
    r"|\#[^\n]*|\n|[\[\]{}=.,]"
    r"|[^\s\"'\#\[\]{}=.,]+|[ \t\r]+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A parsed file: ``name`` as the user wrote it, ``lines`` for the keys and tables that stand on one."""

    name: str
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def position(self, path: KeyPath) -> Position:
        """The line of ``path``, or of the nearest key around it."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                return Position(self.name, line)
        return Position(self.name)

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> Diagnostic:
        """A finding about the value at ``path``."""
        return Diagnostic("bad-config", message, self.position(path), hint)


def read_settings_file(name: str) -> SettingsFile:
    """The file ``name``. Raises `InvalidInput` if it can't be read or isn't TOML."""
    path = Path(name)
    try:
        if not path.is_file():
            raise InvalidInput(f"{name}: there is no such file", hint="--config takes the path of a reconciler.toml")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{name}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > _MAX_BYTES:
        raise InvalidInput(f"{name}: is over {_MAX_BYTES // 1024} KiB, which no settings are")
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except UnicodeDecodeError:
        raise _unusable(Diagnostic("bad-config", "the file isn't UTF-8 text", Position(name))) from None
    except tomllib.TOMLDecodeError as error:
        raise _unusable(_syntax_problem(name, str(error))) from None
    except RecursionError:
        raise _unusable(Diagnostic("bad-config", "lists and tables are nested too deep", Position(name))) from None
    return SettingsFile(name, data, key_lines(text))


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key and table header of a valid TOML text; keys of inline tables aren't told."""
    lines: dict[KeyPath, int] = {}
    table: tuple[str, ...] = ()
    keys: list[str] = []
    line, depth, mode = 1, 0, "start"
    for match in _WORD.finditer(text):
        word = match[0]
        blank = word.isspace() or word.startswith("#")
        if mode == "start" and not blank:
            mode, keys = ("header", []) if word == "[" else ("key", [_key(word)])
        elif mode == "header" and word == "]":
            table, mode = tuple(keys), "value"
            lines.setdefault(table, line)
        elif mode == "key" and word == "=":
            mode = "value"
            lines.setdefault((*table, *keys), line)
        elif mode in ("header", "key") and not blank and word not in "[.":
            keys.append(_key(word))
        elif mode == "value":
            # The second bracket that ends [[a table of a list]] closes nothing.
            depth = max(depth + (word in ("[", "{")) - (word in ("]", "}")), 0)
            mode = "start" if word == "\n" and depth == 0 else "value"
        line += word.count("\n")
    return lines


def _key(word: str) -> str:
    return str(tomllib.loads(f"key = {word}")["key"]) if word[0] in "\"'" else word


def _syntax_problem(name: str, text: str) -> Diagnostic:
    match = re.fullmatch(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)", text, re.DOTALL)
    if match is None:
        return Diagnostic("bad-config", f"this isn't TOML: {text}", Position(name))
    position = Position(name, int(match[2] or 1), int(match[3] or 1))
    where = "" if match[2] else " (at the end of the file)"
    return Diagnostic("bad-config", f"this isn't TOML: {match[1]}{where}", position)


def _unusable(problem: Diagnostic) -> InvalidInput:
    return InvalidInput(f"{problem.position.file}: the settings can't be used", diagnostics=[problem])
