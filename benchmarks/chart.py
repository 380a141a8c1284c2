"""The chart: seconds by accounts, both on logarithmic scales, so that what grows like the fleet is a straight line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from benchmarks.aims import LAYOUTS
from benchmarks.parts import short
from benchmarks.results import Part

#: Measures in the chart, with their names, colours and the dashes that tell them apart without colour.
_LINES = (
    ("raw", "raw CSafeLoader load", "#6b6b6b", "6 4"),
    ("cold", "cold plan", "#0b5cad", ""),
    ("changed", "warm plan, 1 % changed", "#b35900", "2 3"),
    ("warm", "warm plan, nothing changed", "#1a7f4b", "10 3 2 3"),
)
_WIDTH, _HEIGHT, _PANEL, _TOP, _BOTTOM, _LEFT = 900, 400, 360, 70, 330, 62
_GAP = 70

Point = tuple[float, float]


def chart(parts: Mapping[str, Part]) -> str:
    """An SVG with one panel a layout."""
    plans = [part for part in parts.values() if "layout" in part.facts]
    times = [value for part in plans for name, *_ in _LINES if (value := part.value(name)) is not None]
    sizes = sorted({int(part.facts["accounts"]) for part in plans})
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12" role="img" aria-labelledby="title">',
        '<title id="title">Seconds of a plan by the number of accounts</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    if times and sizes:
        low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
        for index, layout in enumerate(LAYOUTS):
            chosen = sorted(
                (part for part in plans if part.facts["layout"] == layout), key=lambda part: part.facts["accounts"]
            )
            lines += _panel(chosen, layout, _LEFT + index * (_PANEL + _GAP), sizes, (low, max(high, low + 1)))
    lines += _legend()
    return "\n".join([*lines, "</svg>", ""])


def _panel(
    parts: Sequence[Part], layout: str, left: float, sizes: Sequence[int], span: tuple[int, int]
) -> Iterator[str]:
    """One layout: its frame, then its lines."""
    low, high = span

    def across(accounts: int) -> float:
        if len(sizes) == 1:
            return left + _PANEL / 2
        first, last = math.log10(sizes[0]), math.log10(sizes[-1])
        return left + 24 + (_PANEL - 48) * (math.log10(accounts) - first) / (last - first)

    def down(seconds: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (math.log10(seconds) - low) / (high - low)

    yield f'<text x="{left}" y="{_TOP - 14}" font-weight="bold" fill="#1b1b1b">{escape(LAYOUTS[layout])}</text>'
    for power in range(low, high + 1):
        y = down(10.0**power)
        yield f'<line x1="{left}" y1="{y:.1f}" x2="{left + _PANEL}" y2="{y:.1f}" stroke="#dcdcdc"/>'
        label = f"{10.0**power:g} s"
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#4a4a4a">{label}</text>'
    for accounts in sizes:
        yield (
            f'<text x="{across(accounts):.1f}" y="{_BOTTOM + 20}" text-anchor="middle" fill="#4a4a4a">'
            f"{short(accounts)}</text>"
        )
    for name, _, colour, dashes in _LINES:
        points = [
            (across(part.facts["accounts"]), down(value)) for part in parts if (value := part.value(name)) is not None
        ]
        yield from _line(points, colour, dashes)


def _line(points: Sequence[Point], colour: str, dashes: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"'
        + (f' stroke-dasharray="{dashes}"' if dashes else "")
        + "/>"
    )
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'


def _legend() -> Iterator[str]:
    x, y = _LEFT, 24
    for _, name, colour, dashes in _LINES:
        yield from _line([(x, y - 4), (x + 34, y - 4)], colour, dashes)
        yield f'<text x="{x + 44}" y="{y}" fill="#1b1b1b">{escape(name)}</text>'
        x += 72 + 7 * len(name)
    note = "accounts; both scales are logarithmic: ten times up for ten times across is linear growth"
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 20}" text-anchor="middle" fill="#4a4a4a">{note}</text>'
