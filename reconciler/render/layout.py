"""Lines of text: pieces that are laid out to a width, and painted last.

A line is a sequence of (text, style) spans. Widths count terminal columns before any colour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from reconciler.render.escape import terminal

WIDTH: Final = 80

#: The column that labels take, below a step.
LABEL: Final = 15

#: Characters of a free text that are shown: nobody reads a page of owner.
_LONGEST: Final = 2000

_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? (?:UTC|[+-][0-9]{4})"
#: Letters of the west and the arrow between old and new: each takes one column.
_NARROW: Final = re.compile(r"[\x00-\u02ff→]*")
_WORD: Final = re.compile(rf"{_TIME}[^ ]*|[^ ]+")

Span: TypeAlias = "tuple[str, str]"
Line: TypeAlias = "tuple[Span, ...]"
#: Text that stays on one line, its style, the spaces before it, and its columns.
Part: TypeAlias = "tuple[str, str, int, int]"
Painter: TypeAlias = "Callable[[Line], str]"

#: What each style name looks like. The words beside it say the same, so nothing is lost without colour.
STYLES: Final = {
    "heading": "bold",
    "label": "dim",
    "quiet": "dim",
    "grant": "green",
    "extend": "green",
    "neutral": "cyan",
    "shorten": "yellow",
    "revoke": "bold red",
    "final": "bold magenta",
    "good": "green",
    "warning": "yellow",
    "error": "bold red",
    "next": "bold",
}


class Piece(NamedTuple):
    """Text that stays on one line. ``gap`` spaces come before it, unless it starts a line.

    ``breakable`` text is cut if it is wider than a whole line; ids, paths and commands never are. ``wraps`` text may
    go on in the next line at every space that isn't inside a time.
    """

    text: str
    style: str = ""
    gap: int = 1
    breakable: bool = False
    wraps: bool = False


def words(value: str, style: str = "") -> tuple[Piece, ...]:
    """Free text, made harmless, that wraps; no piece for a text without words.

    A text that is very long is cut, and says by how much.
    """
    if len(value) > _LONGEST:
        value = f"{value[:_LONGEST]}… ({len(value) - _LONGEST:,} more characters)"
    text = terminal(value).strip(" ")
    return (Piece(text, style, 1, True, True),) if text else ()


def unit(value: str, style: str = "", gap: int = 1) -> Piece:
    """A value that must not be cut, made harmless."""
    return Piece(terminal(value), style, gap)


def flow(pieces: Iterable[Piece], *, lead: Line = (), hang: int = 0, width: int = WIDTH) -> Iterable[Line]:
    """Lay ``pieces`` out behind ``lead``; further lines are indented by ``hang`` columns."""
    pieces = tuple(pieces)
    whole = _one_line(pieces, lead, width)
    return (whole,) if whole is not None else _wrapped(pieces, lead, hang, width)


def _one_line(pieces: Iterable[Piece], lead: Line, width: int) -> Line | None:
    """The one line that most pieces come to; ``None`` if it would be too wide."""
    line = [*lead]
    last = line[-1][1] if line else None
    before = False
    for text, style, gap, _, _ in pieces:
        if before:
            text = " " * gap + text
        before = True
        if style == last:
            line[-1] = (line[-1][0] + text, style)
        else:
            line.append((text, style))
            last = style
    return tuple(line) if columns(_text(line)) <= width else None


def _wrapped(pieces: Iterable[Piece], lead: Line, hang: int, width: int) -> Iterator[Line]:
    line = [*lead]
    last = line[-1][1] if line else None
    used = columns(_text(line))
    empty = True
    for piece in pieces:
        for text, style, gap, wide in _parts(piece, width - used, width - hang):
            before = 0 if empty else gap
            if used + before + wide > width and (used > hang or not empty):
                yield tuple(line)
                line, last, used, before = [(" " * hang, "")], "", hang, 0
            shown = " " * before + text if before else text
            if style == last:
                line[-1] = (line[-1][0] + shown, style)
            else:
                line.append((shown, style))
                last = style
            used += before + wide
            empty = False
    yield tuple(line)


def _parts(piece: Piece, left: int, room: int) -> Iterable[Part]:
    """The parts of ``piece`` that stay on one line each: all of it if it fits into the ``left`` columns of this line.

    None that may be cut is wider than ``room``, which is a whole line.
    """
    whole, style, gap, breakable, wraps = piece
    wide = columns(whole)
    if gap + wide <= left or not (wraps or breakable):
        return ((whole, style, gap, wide),)
    parts: list[Part] = []
    for text in _WORD.findall(whole) if wraps else (whole,):
        wide = columns(text)
        if breakable and wide > room:
            for number, part in enumerate(_cut(text, room)):
                parts.append((part, style, 0 if number else gap, columns(part)))
        else:
            parts.append((text, style, gap, wide))
    return parts


def _cut(text: str, room: int) -> Iterator[str]:
    part, used = "", 0
    for character in text:
        more = _columns_of(character)
        if part and used + more > room:
            yield part
            part, used = "", 0
        part += character
        used += more
    yield part


def labelled(label: str, pieces: Iterable[Piece], indent: int, width: int, column: int = LABEL) -> Iterable[Line]:
    """``label`` in its column, then the pieces, wrapped below their own start."""
    return flow(pieces, lead=_label(label, indent, column), hang=indent + column, width=width)


@lru_cache(maxsize=256)
def _label(label: str, indent: int, column: int) -> Line:
    return ((" " * indent + label.ljust(column), "label"),)


def columns(text: str) -> int:
    """How many terminal columns ``text`` takes."""
    return len(text) if text.isascii() or _NARROW.fullmatch(text) else sum(map(_columns_of, text))


def painter(*, color: bool) -> Painter:
    """What turns a line into text, with ANSI colours or without."""
    return _painted if color else _plain


def _plain(line: Line) -> str:
    return _text(line).rstrip()


def _text(line: Iterable[Span]) -> str:
    return "".join([text for text, _ in line])


def _painted(line: Line) -> str:
    left, painted = len(_plain(line)), []
    for text, name in line:
        shown = text[:left]
        left -= len(shown)
        if name and shown.strip():
            before, after = _ansi(name)
            shown = before + shown + after
        painted.append(shown)
    return "".join(painted)


@lru_cache(maxsize=64)
def _ansi(name: str) -> tuple[str, str]:
    """What a terminal is sent before and after text of a style; nothing if there is no such style."""
    from rich.color import ColorSystem
    from rich.style import Style

    before, _, after = Style.parse(STYLES.get(name, "")).render("x", color_system=ColorSystem.STANDARD).partition("x")
    return before, after


@lru_cache(maxsize=4096)
def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
