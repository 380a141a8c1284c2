"""Lines of text: pieces that are laid out to a width, and painted last.

A line is a sequence of (text, style) spans. Widths count terminal columns before any colour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from reconciler.render.escape import terminal

if TYPE_CHECKING:
    from rich.style import Style

WIDTH: Final = 80

#: The column that labels take, below a step.
LABEL: Final = 15

#: Characters of a free text that are shown: nobody reads a page of owner.
_LONGEST: Final = 2000

_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? (?:UTC|[+-][0-9]{4})"
_WORD: Final = re.compile(rf"{_TIME}[^ ]*|[^ ]+")

Span: TypeAlias = "tuple[str, str]"
Line: TypeAlias = "tuple[Span, ...]"
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


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that stays on one line. ``gap`` spaces come before it, unless it starts a line.

    ``breakable`` text is cut if it is wider than a whole line; ids, paths and commands never are.
    """

    text: str
    style: str = ""
    gap: int = 1
    breakable: bool = False


def words(value: str, style: str = "") -> Iterator[Piece]:
    """Free text, made harmless, as pieces that may wrap at every space that isn't inside a time.

    A text that is very long is cut, and says by how much.
    """
    if len(value) > _LONGEST:
        value = f"{value[:_LONGEST]}… ({len(value) - _LONGEST:,} more characters)"
    for match in _WORD.finditer(terminal(value)):
        yield Piece(match[0], style, breakable=True)


def unit(value: str, style: str = "", gap: int = 1) -> Piece:
    """A value that must not be cut, made harmless."""
    return Piece(terminal(value), style, gap)


def flow(pieces: Iterable[Piece], *, lead: Line = (), hang: int = 0, width: int = WIDTH) -> Iterator[Line]:
    """Lay ``pieces`` out behind ``lead``; further lines are indented by ``hang`` columns."""
    line: list[Span] = list(lead)
    used = sum(columns(text) for text, _ in line)
    empty = True
    for piece in pieces:
        for part in _parts(piece, width - hang):
            gap = 0 if empty else part.gap
            if (not empty or used > hang) and used + gap + columns(part.text) > width:
                yield tuple(line)
                line, used, gap = [(" " * hang, "")], hang, 0
            _append(line, " " * gap + part.text, part.style)
            used += gap + columns(part.text)
            empty = False
    yield tuple(line)


def labelled(label: str, pieces: Iterable[Piece], indent: int, width: int, column: int = LABEL) -> Iterator[Line]:
    """``label`` in its column, then the pieces, wrapped below their own start."""
    lead = ((" " * indent + label.ljust(column), "label"),)
    return flow(pieces, lead=lead, hang=indent + column, width=width)


def _append(line: list[Span], text: str, style: str) -> None:
    if line and line[-1][1] == style:
        line[-1] = (line[-1][0] + text, style)
    else:
        line.append((text, style))


def columns(text: str) -> int:
    """How many terminal columns ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def painter(*, color: bool) -> Painter:
    """What turns a line into text, with ANSI colours or without."""
    return _painted if color else _plain


def _plain(line: Line) -> str:
    return "".join(text for text, _ in line).rstrip()


def _painted(line: Line) -> str:
    from rich.color import ColorSystem

    left, painted = len(_plain(line)), []
    for text, name in line:
        shown = text[:left]
        left -= len(shown)
        styled = bool(name) and bool(shown.strip())
        painted.append(_style(name).render(shown, color_system=ColorSystem.STANDARD) if styled else shown)
    return "".join(painted)


@lru_cache(maxsize=64)
def _style(name: str) -> Style:
    from rich.style import Style

    return Style.parse(STYLES.get(name, ""))


def _parts(piece: Piece, room: int) -> Iterator[Piece]:
    if not piece.breakable or columns(piece.text) <= room:
        yield piece
        return
    part, used, gap = "", 0, piece.gap
    for character in piece.text:
        more = _columns_of(character)
        if part and used + more > room:
            yield replace(piece, text=part, gap=gap)
            part, used, gap = "", 0, 0
        part += character
        used += more
    yield replace(piece, text=part, gap=gap)


@lru_cache(maxsize=4096)
def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
