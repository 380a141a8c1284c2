"""Reading an answer that may be anything: ids, error bodies and ``Retry-After``, each within bounds.

Whoever answers may be a proxy, a broken server or somebody hostile: nothing here raises, and no text
leaves it that could move a terminal's cursor.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.operations.base import OBJECT_ID
from reconciler.wire import MAX_ANSWER, Answer

#: A message in the journal is this many characters at most, a code or field name that many.
MAX_MESSAGE: Final = 500
MAX_WORD: Final = 100

#: ``Retry-After`` is honoured up to this many seconds.
MAX_RETRY_AFTER: Final = 120.0

_SECONDS: Final = re.compile(r"[0-9]{1,18}")
_CLOCK: Final = r"([0-9]{2}):([0-9]{2}):([0-9]{2})"
# RFC 9110, section 5.6.7: the form of today, and the two that a recipient still has to read.
_DATE: Final = re.compile(rf"[A-Za-z]{{3,9}}, ([0-9]{{2}})[ -]([A-Za-z]{{3}})[ -]([0-9]{{4}}|[0-9]{{2}}) {_CLOCK} GMT")
_ASCTIME: Final = re.compile(rf"[A-Za-z]{{3}} ([A-Za-z]{{3}}) ([ 0-9][0-9]) {_CLOCK} ([0-9]{{4}})")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Payway's flat error body, as far as it could be read: steer by ``code`` alone (all five pages)."""

    code: str | None = None
    field: str | None = None
    message: str | None = None


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """``text`` on one line, every character that can't be seen written as an escape, at most ``limit`` long."""
    shown: list[str] = []
    length = 0
    for character in text[: limit + 1]:
        piece = character if character.isprintable() else _escape(character)
        if length + len(piece) > limit:
            while length + 1 > limit:
                length -= len(shown.pop())
            return "".join(shown) + "…"
        shown.append(piece)
        length += len(piece)
    return "".join(shown)


def answered_id(answer: Answer) -> str | None:
    """The object's id in a 200 answer, in lower case; ``None`` if there is none that can be read."""
    value = _object(answer).get("id")
    if not isinstance(value, str) or OBJECT_ID.fullmatch(value.lower()) is None:
        return None
    return value.lower()


def error_body(answer: Answer) -> ErrorBody:
    """What an error answer says; every part ``None`` that isn't there as a text."""
    data = _object(answer)
    return ErrorBody(_text(data, "code", MAX_WORD), _text(data, "field", MAX_WORD), _text(data, "message", MAX_MESSAGE))


def retry_after(text: str | None, moment: datetime) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, from 0 to 120; ``None`` if it can't be read.

    Both forms of RFC 9110 are read: seconds, and a date, which is taken relative to ``moment`` (aware).
    """
    if text is None or len(text) > MAX_WORD:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER)
    date = _http_date(text, moment)
    if date is None:
        return None
    return min(max((date - moment).total_seconds(), 0.0), MAX_RETRY_AFTER)


def _http_date(text: str, moment: datetime) -> datetime | None:
    if match := _DATE.fullmatch(text):
        day, month, year, *clock = match.groups()
    elif match := _ASCTIME.fullmatch(text):
        month, day, *clock, year = match.groups()
    else:
        return None
    full_year = int(year)
    if len(year) == 2:
        # The century that brings it closest to today, but no more than 50 years ahead.
        full_year += moment.year // 100 * 100
        full_year -= 100 if full_year > moment.year + 50 else 0
    try:
        number = _MONTHS.index(month.lower()) + 1
        hour, minute, second = (int(part) for part in clock)
        return datetime(full_year, number, int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def _object(answer: Answer) -> dict[str, object]:
    if len(answer.body) > MAX_ANSWER:
        return {}
    try:
        data = json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(data: dict[str, object], name: str, limit: int) -> str | None:
    value = data.get(name)
    return printable(value, limit) if isinstance(value, str) and value else None


def _escape(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
