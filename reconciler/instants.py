"""Payway's time texts and instants.

An instant is a whole number of minutes since 1970-01-01T00:00Z: Payway's requests know no seconds
(page "Update": ``2016-10-02 13:00 +0100``), so nothing here compares finer than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

#: Minutes since 1970-01-01T00:00Z.
Minute: TypeAlias = int

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_IN_UTC: Final = _EPOCH.replace(tzinfo=None)
_DAY: Final = 24 * 60
_FIRST: Final = (date.min.toordinal() - _EPOCH_DAY) * _DAY
_LAST: Final = (date.max.toordinal() - _EPOCH_DAY + 1) * _DAY - 1
_WEST: Final = -12 * 60
_EAST: Final = 14 * 60

# Written with [0-9] and matched whole: \d takes Arabic digits and $ a trailing newline.
_DATE: Final = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_PAYWAY: Final = re.compile(_DATE + r" ([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)? ([+-])([0-9]{2})([0-9]{2})")
_RFC3339: Final = re.compile(
    _DATE + r"[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_USUAL: Final = re.compile(_DATE + r"(?: [0-9]{2}:[0-9]{2} [+-][0-9]{4}|T[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2}))")
_INSTANT: Final = re.compile(_DATE + r"T[0-9]{2}:[0-9]{2}(?::[0-5][0-9])?Z")
_NO_OFFSET: Final = re.compile(_DATE + r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::[0-9]{2}(?:\.[0-9]+)?)?)?")
_KNOWN: Final = re.compile(
    _DATE + r"[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)? ?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)

FORMS: Final = "2016-10-02 13:00 +0100 or 2016-10-02T13:00+01:00"


class BadTime(ValueError):
    """A time that can't be used: ``rule`` is the rule id, the text says why, ``hint`` how to mend it."""

    def __init__(self, rule: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Moment:
    """A declared time: the instant, and the text that is sent (Payway's form, the manifest's own offset)."""

    minute: Minute
    text: str


@lru_cache(maxsize=4096)
def parse_declared(text: str) -> Moment:
    """The time that a manifest declares.

    Takes Payway's form and RFC 3339; an offset is required, seconds must be zero, a fraction is refused.
    Raises `BadTime`.
    """
    usual = usual_time(text)
    if usual is not None:
        return Moment(usual[0], usual[1])
    match = _PAYWAY.fullmatch(text) or _RFC3339.fullmatch(text)
    if match is None:
        if _NO_OFFSET.fullmatch(text):
            raise BadTime(
                "time-without-offset", f"{_shown(text)} has no offset", f"write the offset too, as in {FORMS}"
            )
        raise BadTime("bad-time", f"{_shown(text)} isn't a time", f"write it as {FORMS}")
    if match[7] is not None or int(match[6] or 0) != 0:
        raise BadTime(
            "time-with-seconds", f"{_shown(text)} has seconds, which Payway can't take", "write whole minutes"
        )
    offset = _offset(match, text)
    local = _local_minute(match, text)
    minute = _in_range(local - offset, text)
    return Moment(minute, _payway_text(local, offset))


def is_usual(text: str) -> bool:
    """True for a text in one of the two usual forms of a declared time, to the minute, whether there is such a time."""
    return _USUAL.fullmatch(text) is not None


def usual_time(text: str) -> tuple[Minute, str, str] | None:
    """The instant of a declared time in one of the two usual forms, and its texts: as sent, and as `instant_text`.

    ``None`` for every other text; `parse_declared` says what is to be said of it.
    """
    if _USUAL.fullmatch(text) is None:
        return None
    if text[10] != " ":
        text = f"{text[:10]} {text[11:16]} " + ("+0000" if text[16] == "Z" else text[16:19] + text[20:])
    offset = text[17:]
    if not _is_usual_offset(offset) or not "0001" < text[:4] < "9999":
        return None
    try:
        since = datetime.fromisoformat(text[:16] + offset) - _EPOCH
    except ValueError:
        return None
    return since.days * _DAY + since.seconds // 60, text, (_EPOCH_IN_UTC + since).isoformat() + "Z"


@lru_cache(maxsize=256)
def _is_usual_offset(offset: str) -> bool:
    minutes = offset_of(offset)
    return offset != "-0000" and int(offset[3:]) < 60 and _WEST <= minutes <= _EAST


def parse_known(text: str) -> Minute:
    """The instant of a time in an answer or export, cut to its minute.

    Takes RFC 3339 with or without seconds and fraction, and Payway's form. Raises `BadTime`.
    """
    minute = _usual_instant(text)
    return _any_known(text) if minute is None else minute


def _usual_instant(text: str) -> Minute | None:
    """The minute of a text that `instant_text` or `short_text` makes; ``None`` for what deserves a closer look."""
    if _INSTANT.fullmatch(text) is None or not "0001" < text[:4] < "9999":
        return None
    try:
        since = datetime.fromisoformat(text[:16]) - _EPOCH_IN_UTC
    except ValueError:
        return None
    return since.days * _DAY + since.seconds // 60


def _any_known(text: str) -> Minute:
    match = _KNOWN.fullmatch(text)
    if match is None:
        raise BadTime("bad-time", f"{_shown(text)} isn't a time with an offset", f"write it as {FORMS}")
    if int(match[6] or 0) > 60:
        raise BadTime("bad-time", f"{_shown(text)} has no such second", "seconds go from 00 to 59")
    hours, minutes = int(match[9] or 0), int(match[10] or 0)
    if hours > 23 or minutes > 59:
        raise BadTime("bad-offset", f"{_shown(text)} has no such offset", "offsets go up to 23:59")
    offset = (hours * 60 + minutes) * (-1 if match[8] == "-" else 1)
    return _in_range(_local_minute(match, text) - offset, text)


def parse_clock(text: str) -> datetime:
    """The moment behind ``--at``: RFC 3339 or Payway's form, to the second, in UTC. Raises `BadTime`."""
    match = _KNOWN.fullmatch(text)
    minute = parse_known(text)
    seconds = min(int(match[6] or 0), 59) if match else 0
    return _EPOCH + timedelta(minutes=minute, seconds=seconds)


def minute_of(moment: datetime) -> Minute:
    """The minute that an aware ``moment`` lies in."""
    return int((moment - _EPOCH) // timedelta(minutes=1))


def clock_text(moment: datetime) -> str:
    """An aware moment to the second, as ``2026-11-24T10:00:00Z``."""
    # Not strftime: its %Y writes the year 999 with three digits.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def instant_text(minute: Minute) -> str:
    """An instant as ``2026-11-24T10:00:00Z``: the form of snapshots and plans."""
    return _date_time(minute, "T") + ":00Z"


def short_text(minute: Minute) -> str:
    """An instant as ``2026-11-24T10:00Z``: the form of access windows."""
    return _date_time(minute, "T") + "Z"


def day_text(minute: Minute) -> str:
    """An instant for people: the day alone at midnight UTC, else with the time, as ``2026-11-24 10:00 UTC``."""
    return _date_time(minute, " ") + " UTC" if minute % _DAY else _date(minute // _DAY)


def payway_text(minute: Minute, offset: int) -> str:
    """An instant in Payway's form at ``offset`` minutes east of Greenwich."""
    return _payway_text(minute + offset, offset)


def offset_of(text: str) -> int:
    """The offset (minutes) that ends a text in Payway's form."""
    return _minutes_east(text[-5], text[-4:])


@lru_cache(maxsize=256)
def _minutes_east(sign: str, digits: str) -> int:
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if sign == "-" else minutes


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 60 else repr(text[:60]) + "…"


def _payway_text(local: Minute, offset: int) -> str:
    return f"{_date_time(local, ' ')} {_offset_text(offset)}"


@lru_cache(maxsize=256)
def _offset_text(offset: int) -> str:
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset), 60)
    return f"{sign}{hours:02d}{minutes:02d}"


def _date_time(minute: Minute, between: str) -> str:
    days, rest = divmod(minute, _DAY)
    return f"{_date(days)}{between}{_clock(rest)}"


# Kept apart: a fleet knows many minutes, but few days, and a day has few minutes.
@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    return date.fromordinal(days + _EPOCH_DAY).isoformat()


@lru_cache(maxsize=_DAY)
def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _local_minute(match: re.Match[str], text: str) -> Minute:
    hours, minutes = int(match[4]), int(match[5])
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])).toordinal()
    except ValueError:
        raise BadTime("bad-time", f"{_shown(text)} is no day of the calendar", "write a day that exists") from None
    if hours > 23 or minutes > 59:
        raise BadTime(
            "bad-time", f"{_shown(text)} is no time of the day", "hours go from 00 to 23, minutes from 00 to 59"
        )
    return (day - _EPOCH_DAY) * _DAY + hours * 60 + minutes


def _offset(match: re.Match[str], text: str) -> int:
    if match[8] is None:
        return 0
    hours, minutes = int(match[9]), int(match[10])
    offset = hours * 60 + minutes
    if match[8] == "-":
        if offset == 0:
            raise BadTime(
                "bad-offset", f"{_shown(text)} says that its offset isn't known (-00:00)", "write +0000 for UTC"
            )
        offset = -offset
    if minutes > 59 or not _WEST <= offset <= _EAST:
        raise BadTime("bad-offset", f"{_shown(text)} has no such offset", "offsets go from -12:00 to +14:00")
    return offset


def _in_range(minute: Minute, text: str) -> Minute:
    # A day on either side is left, so that every offset of the instant can still be written.
    if not _FIRST + _DAY <= minute <= _LAST - _DAY:
        raise BadTime("bad-time", f"{_shown(text)} is outside the years 1 to 9999", "write another year")
    return minute
