"""A reader's access as a picture: where each window begins and ends on a scale, and what is gained and lost.

Pure geometry, drawn by nobody here. Positions are percent of the picture's width, so that it fits every screen;
"now" stands at the same place in each picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from reconciler.instants import Minute, short_text
from reconciler.plan import Window

#: Windows of access; ``None`` if nothing is known of them.
Windows: TypeAlias = "tuple[Window, ...] | None"

#: Where "now" stands, in percent: the past is over, so most of the room is for what comes.
NOW: Final = 16.0

_DAY: Final = 24 * 60
_YEAR: Final = 366 * _DAY
_LEAST: Final = 2 * _DAY
#: What lies further away than this doesn't squeeze the rest; it runs out of the picture.
_MOST: Final = 60 * _YEAR
#: What comes after the last event, so that a window without end can be seen going on.
_BEYOND: Final = 1.15
_TICKS: Final = 5
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_LAST: Final = (date.max.toordinal() - _EPOCH_DAY) * _DAY

#: Distances between ticks: minutes (shown to the minute, then to the day), then months (to the month, to the year).
_MINUTES: Final = (60, 180, 360, 720, _DAY, 2 * _DAY, 5 * _DAY, 10 * _DAY)
_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120, 240)


@dataclass(frozen=True, slots=True)
class Scale:
    """The stretch of time that a picture shows."""

    now: Minute
    first: Minute
    last: Minute

    def place(self, minute: Minute | None, *, end: bool = False) -> float:
        """Where ``minute`` stands, from 0 to 100, to a tenth; ``None`` is the picture's edge."""
        if minute is None:
            return 100.0 if end else 0.0
        share = 100 * (minute - self.first) / (self.last - self.first)
        return round(min(max(share, 0.0), 100.0), 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of access: ``kind`` is ``kept``, ``gained`` or ``lost``. Open sides run out of the picture."""

    kind: str
    start: float
    width: float
    open_start: bool
    open_end: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The access to one product; ``None`` where nothing is known of it."""

    before: tuple[Bar, ...] | None
    after: tuple[Bar, ...] | None


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment on the scale."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The picture of an account: a row a product, all on one scale. ``deadlines`` are places."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    deadlines: tuple[float, ...]


def timeline(now: Minute, products: Sequence[tuple[Windows, Windows]], deadlines: Iterable[Minute] = ()) -> Timeline:
    """The picture of the (before, after) windows of some products, as seen from ``now``."""
    marks = sorted(set(deadlines))
    scale = scale_of(now, [*_ends(products), *marks])
    return Timeline(
        rows=tuple(_row(scale, before, after) for before, after in products),
        ticks=tuple(_ticks(scale)),
        deadlines=tuple(scale.place(minute) for minute in marks),
    )


def scale_of(now: Minute, events: Iterable[Minute]) -> Scale:
    """A scale on which ``now`` and every event to come has its place, but for what lies very far away."""
    ahead = [event - now for event in events if 0 < event - now <= _MOST]
    reach = max(int(max(ahead, default=_YEAR) * _BEYOND), _LEAST)
    return Scale(now, now - int(reach * NOW / (100 - NOW)), now + reach)


def difference(one: Iterable[Window], other: Iterable[Window]) -> tuple[Window, ...]:
    """What of the windows ``one`` isn't in ``other``."""
    left = list(one)
    for start, end in other:
        left = [part for window in left for part in _without(window, start, end)]
    return tuple(left)


def ahead(windows: Iterable[Window], now: Minute) -> tuple[Window, ...]:
    """What is left of ``windows`` from ``now`` on."""
    return tuple((now if start is None else max(start, now), end) for start, end in windows if end is None or end > now)


def _without(window: Window, start: Minute | None, end: Minute | None) -> Iterator[Window]:
    first, last = window
    if start is not None and (first is None or first < start):
        yield first, start if last is None else min(last, start)
    if end is not None and (last is None or last > end):
        yield end if first is None else max(first, end), last


def _ends(products: Sequence[tuple[Windows, Windows]]) -> Iterator[Minute]:
    for windows in (windows for pair in products for windows in pair if windows):
        yield from (minute for window in windows for minute in window if minute is not None)


def _row(scale: Scale, before: Windows, after: Windows) -> Row:
    past = difference(before or (), [(scale.now, None)])
    if before is None or after is None:
        # Nothing can be said of what is gained or lost.
        coming = None if after is None else ahead(after, scale.now)
        return Row(_bars(scale, before), None if coming is None else _bars(scale, coming))
    old, new = ahead(before, scale.now), ahead(after, scale.now)
    # The past is over: it is in both rows what it was.
    return Row(
        _bars(scale, (*past, *difference(old, difference(old, new))), difference(old, new), "lost"),
        _bars(scale, (*past, *difference(new, difference(new, old))), difference(new, old), "gained"),
    )


def _bars(scale: Scale, kept: Windows, changed: Iterable[Window] = (), kind: str = "kept") -> tuple[Bar, ...] | None:
    if kept is None:
        return None
    parts = [("kept", window) for window in _joined(kept)] + [(kind, window) for window in changed]
    bars = (_bar(scale, name, window) for name, window in sorted(parts, key=lambda part: _order(part[1])))
    return tuple(bar for bar in bars if bar.width > 0)


def _joined(windows: Iterable[Window]) -> Iterator[Window]:
    """The same windows, those that touch as one."""
    last: Window | None = None
    for window in sorted(windows, key=_order):
        if last is not None and last[1] is not None and window[0] is not None and window[0] <= last[1]:
            last = (last[0], None if window[1] is None else max(window[1], last[1]))
            continue
        if last is not None:
            yield last
        last = window
    if last is not None:
        yield last


def _order(window: Window) -> tuple[bool, Minute]:
    return window[0] is not None, window[0] or 0


def _bar(scale: Scale, kind: str, window: Window) -> Bar:
    start, end = scale.place(window[0]), scale.place(window[1], end=True)
    if window[1] is None or window[1] > scale.first:
        # A short window is still there to be seen.
        end = max(end, min(start + 0.4, 100.0))
        start = min(start, end - 0.4)
    open_end = window[1] is None or window[1] > scale.last
    return Bar(kind, start, round(end - start, 1), window[0] is None or window[0] < scale.first, open_end)


def _ticks(scale: Scale) -> Iterator[Tick]:
    for minute, label in _moments(scale.now, min(scale.last, _LAST)):
        place = scale.place(minute)
        # Room for the word "now", and for the label itself at the edge.
        if NOW + 9 <= place <= 95:
            yield Tick(place, label)


def _moments(first: Minute, last: Minute) -> list[tuple[Minute, str]]:
    for step in _MINUTES:
        if (last - first) // step <= _TICKS:
            shown = slice(5, 10) if step >= _DAY else slice(11, 16)
            return [(minute, short_text(minute)[shown]) for minute in range(-(-first // step) * step, last, step)]
    start, end = _day(first), _day(last)
    for months in _MONTHS:
        count = (end.year - start.year) * 12 + end.month - start.month
        if count // months <= _TICKS:
            break
    begin = -(-(start.year * 12 + start.month) // months) * months
    stop = end.year * 12 + end.month
    days = (date(month // 12, month % 12 + 1, 1) for month in range(begin, stop, months))
    return [(_minute(day), day.isoformat()[: 4 if months >= 12 else 7]) for day in days]


def _day(minute: Minute) -> date:
    return date.fromordinal(minute // _DAY + _EPOCH_DAY)


def _minute(day: date) -> Minute:
    return (day.toordinal() - _EPOCH_DAY) * _DAY
