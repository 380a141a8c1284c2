"""Durations as people write them, and the numbers that bound a run (contract, section 8)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

#: Longer than this is a slip of the finger, and would overflow a calendar.
LONGEST: Final = 3650 * 24 * 3600

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([smhd]?)")

DURATION_FORMS: Final = "a number of seconds, or a number with s, m, h or d, such as 30s, 90m, 24h or 7d"


class BadDuration(ValueError):
    """A text or number that is no duration; the text says why."""


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """What bounds a run: all times in seconds.

    ``tries`` a call, with ``delays`` between them (the last one again when there are more tries) and
    ``max_wait`` of waiting in the whole run; ``cool_down`` before a call is repeated whose lost twin may
    still be running. ``call_deadline`` bounds a call from its connection to its last byte,
    ``connect_timeout`` the connection alone. A run stops after ``max_failures`` failed accounts or
    ``max_unclear`` calls in a row that ran out of tries.
    """

    tries: int = 4
    delays: tuple[float, ...] = (1.0, 2.0, 4.0)
    jitter: bool = True
    max_wait: float = 300.0
    cool_down: float = 30.0
    call_deadline: float = 60.0
    connect_timeout: float = 10.0
    max_failures: int = 10
    max_unclear: int = 3


def parse_duration(value: str | float) -> float:
    """The seconds behind ``30s``, ``90m``, ``24h``, ``7d`` or a number. Raises `BadDuration`."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise BadDuration(f"{value!r} isn't a duration: write {DURATION_FORMS}")
        seconds = float(match[1]) * _UNITS[match[2] or "s"]
    else:
        seconds = float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise BadDuration(f"{value!r} isn't a duration: write {DURATION_FORMS}")
    if seconds > LONGEST:
        raise BadDuration(f"{value!r} is longer than ten years")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that leaves a whole number: ``24h``, ``90m``, ``30s``, ``0.5s``."""
    for unit in ("d", "h", "m"):
        count, rest = divmod(seconds, _UNITS[unit])
        # A day stays 24h: that is how the documents write it.
        if count > (1 if unit == "d" else 0) and rest == 0:
            return f"{count:.0f}{unit}"
    return f"{seconds:g}s"
