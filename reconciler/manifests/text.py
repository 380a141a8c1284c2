"""Text of manifests before YAML reads it, and what YAML's complaints about it mean in plain words.

Everything here works on text and places; what the text says is built in `reconciler.manifests.documents`.
"""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_left
from typing import Final, Protocol, TypeAlias

from reconciler.diagnostics import Diagnostic, Position, shown

#: How to mend what is written by reference.
WRITE_OUT: Final = "write the value out here: a manifest is read the way it looks"
_SAVE_AS_UTF8: Final = "save the file as UTF-8"

_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB]")
_PAIR: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_PAIR_WIDTH: Final = len(r"\uD83D\uDE00")
_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]|[\ud800-\udfff]")


class Mark(Protocol):
    """A place as the parser gives it: all three count from 0, ``index`` through the whole text."""

    @property
    def line(self) -> int:
        """Lines before this one."""

    @property
    def column(self) -> int:
        """Characters before it in its line."""

    @property
    def index(self) -> int:
        """Characters before it."""


Place: TypeAlias = tuple[int, int]


def place(mark: Mark) -> Place:
    """``mark`` as a value that can be looked up."""
    return (mark.line, mark.column)


class Places:
    """Turns marks of one file, or of a part of it that begins with ``first_line``, into positions."""

    __slots__ = ("_joined", "file", "first_line")

    def __init__(self, file: str, joined: dict[int, list[int]] | None = None, first_line: int = 1) -> None:
        self.file = file
        self.first_line = first_line
        # Columns, by line, at which the parser saw one character for a JSON surrogate pair.
        self._joined = joined or {}

    def at(self, mark: Mark) -> Position:
        """The position of ``mark``, counted from 1, as an editor shows it."""
        line, column = mark.line, mark.column
        if line in self._joined:
            column += bisect_left(self._joined[line], column) * (_PAIR_WIDTH - 1)
        return Position(self.file, line + self.first_line, column + 1)

    def line(self, mark: Mark) -> int:
        """The line of ``mark``, counted from 1."""
        return mark.line + self.first_line

    @property
    def altered(self) -> bool:
        """True if the parser read another text than the file holds, so that indexes into it mean nothing there."""
        return bool(self._joined)


def prepare(file: str, data: bytes, first_line: int = 1) -> tuple[bytes, Places] | Diagnostic:
    """The bytes that the parser reads and the places of the file, or the finding that this is no text."""
    found = _check_bytes(file, data)
    if found is not None:
        return found
    data = data.removeprefix(codecs.BOM_UTF8)
    if _SURROGATE.search(data):
        data, joined = _join_surrogates(data)
        return data, Places(file, joined, first_line)
    return data, Places(file, None, first_line)


def _check_bytes(file: str, data: bytes) -> Diagnostic | None:
    utf16 = data[:4].count(0) == 2 and (data[0:4:2] == b"\0\0" or data[1:4:2] == b"\0\0")
    if utf16:
        return Diagnostic("not-utf8", "this file is UTF-16, not UTF-8", Position(file), _SAVE_AS_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        message = f"the byte 0x{data[error.start]:02x} isn't UTF-8"
        return Diagnostic("not-utf8", message, _end_of(file, before), _SAVE_AS_UTF8)
    nul = text.find("\0")
    if nul >= 0:
        hint = "take it away; if the file was saved as UTF-16, save it as UTF-8"
        return Diagnostic("nul-character", "there is a NUL character here", _end_of(file, text[:nul]), hint)
    return None


def _end_of(file: str, before: str) -> Position:
    """The position right after ``before``."""
    before = before.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _join_surrogates(data: bytes) -> tuple[bytes, dict[int, list[int]]]:
    r"""A JSON text with each ``\uD83D\uDE00`` as the one character it means, and where that was done.

    YAML has no such pairs, but JSON writers make them. A text that isn't JSON is left as it is: there, a
    backslash may stand outside of double quotes.
    """
    text = data.decode("utf-8")
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return data, {}
    joined: dict[int, list[int]] = {}
    parts: list[str] = []
    done = line = column = 0
    for match in _PAIR.finditer(text):
        if match[1] is None:
            continue
        before = text[done : match.start()]
        breaks = before.replace("\r\n", "\n").replace("\r", "\n").count("\n")
        if breaks:
            line, column = line + breaks, len(before) - max(before.rfind("\n"), before.rfind("\r")) - 1
        else:
            column += len(before)
        joined.setdefault(line, []).append(column)
        high, low = int(match[1], 16), int(match[2], 16)
        parts += (before, chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)))
        done = match.end()
        column += 1
    return "".join((*parts, text[done:])).encode("utf-8"), joined


_UNFIT: Final = "this doesn't fit what stands before it"
_ONE_COLUMN: Final = "start the keys of one mapping in one column, and put a whole value in quotes"
# What the parser says, and how a person reads it: (part of its words, message, hint).
_SYNTAX: Final = (
    ("mapping values are not allowed", "a second ': ' stands in this line", "put a value that holds ': ' in quotes"),
    ("could not find expected ':'", "this line has no ': '", "write it as key: value"),
    ("did not find expected key", _UNFIT, _ONE_COLUMN),
    ("did not find expected <document start>", _UNFIT, _ONE_COLUMN),
    ("did not find expected '-'", "this line doesn't fit the list above it", "start each item with '- ' in one column"),
    ("block sequence entries are not allowed", "a list can't start here", "start each item with '- ' on its own line"),
    ("found unexpected", "this quote is never closed", "close it"),
    ("',' or ']'", "this list isn't closed, or a comma is missing", "close it with ]"),
    ("',' or '}'", "this mapping isn't closed, or a comma is missing", "close it with }"),
    ("comment or line break", "nothing may follow | or > in its line", "put the text into the next line, indented"),
    ("tab character", "a tab stands where only spaces may", "indent with spaces"),
    ("unknown escape", "\\ and this character mean nothing in double quotes", "write \\\\ for a backslash"),
    ("Unicode character escape", "this escape is no character", "write the character itself"),
    ("undefined tag handle", "a tag stands before this value", "take the tag away"),
    ("maximum nesting depth", "lists and mappings are nested too deep", "a manifest needs four levels"),
)
# The rule of those that aren't just bad YAML, and those that are shown where their context starts.
_RULES: Final = {"undefined tag handle": "tag", "maximum nesting depth": "nesting-too-deep"}
_FROM_START: Final = ("could not find expected ':'", "found unexpected")
_UNCLOSED: Final = ("',' or ']'", "',' or '}'")


def syntax_error(error: Exception, data: bytes, places: Places, innermost: Mark | None) -> Diagnostic:
    """A parser's error in plain words. A quote or bracket that the file never closes is shown where it opens.

    ``innermost`` is where the list or mapping begins that was being read.
    """
    text = data.decode("utf-8")
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be read")
    mark: Mark | None = getattr(error, "problem_mark", None)
    if mark is None:
        return _bad_character(text, problem, places.file)
    if "cannot start any token" in problem:
        return _bad_start(text[mark.index : mark.index + 1], places.at(mark))
    at_end = not text[mark.index :].strip()
    if any(words in problem for words in (*_FROM_START, *(_UNCLOSED if at_end else ()))):
        mark = getattr(error, "context_mark", None) or mark
    elif at_end and innermost is not None and text.startswith(("[", "{"), innermost.index):
        what = "list" if text[innermost.index] == "[" else "mapping"
        return Diagnostic("bad-yaml", f"this {what} is never closed", places.at(innermost), "close it")
    for words, message, hint in _SYNTAX:
        if words in problem:
            return Diagnostic(_RULES.get(words, "bad-yaml"), message, places.at(mark), hint)
    return Diagnostic("bad-yaml", f"this isn't YAML: {problem}", places.at(mark), "see https://yaml.org for what is")


def _bad_character(text: str, problem: str, file: str) -> Diagnostic:
    control = _CONTROL.search(text)
    if control is None:
        return Diagnostic("bad-yaml", f"this isn't YAML: {problem}", Position(file), "see https://yaml.org for what is")
    message = f"the character {shown(control[0])} isn't allowed"
    return Diagnostic("bad-yaml", message, _end_of(file, text[: control.start()]), "take it away")


def _bad_start(character: str, at: Position) -> Diagnostic:
    if character == "\t":
        return Diagnostic("bad-yaml", "a tab stands where only spaces may", at, "indent with spaces")
    message = f"a value can't start with {shown(character)}"
    return Diagnostic("bad-yaml", message, at, "put the value in quotes")
