"""What was aimed at, what came out, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.results import Part

Parts = Mapping[str, Part]

#: Layouts as people read them.
LAYOUTS = {"packed": "1,000 a file", "single": "one file each"}


@dataclass(frozen=True, slots=True)
class Aim:
    """One line of the table; ``value`` is None if it wasn't measured, ``text`` says it with its unit."""

    what: str
    aim: str
    value: float | None
    limit: float
    text: str
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Met or not, in a word."""
        if self.value is None:
            return "–"
        return "met" if (self.value >= self.limit if self.at_least else self.value <= self.limit) else "**not met**"


def aims(parts: Parts) -> list[Aim]:
    """Every aim, in order."""
    return [*_plans(parts), *_peers(parts), *_growth(parts), *_memory(parts), _start(parts)]


def _plans(parts: Parts) -> Iterator[Aim]:
    rows = (
        ("cold", "raw", "cold plan, validation and plan file included, against the raw load", (0.8, 0.8)),
        ("warm", "cold", "warm plan, nothing changed, against the cold one", (0.05, 0.25)),
        ("changed", "cold", "warm plan, 1 % changed, against the cold one", (0.1, 0.3)),
    )
    for over, under, what, limits in rows:
        for layout, limit in zip(LAYOUTS, limits, strict=True):
            part = parts.get(f"plan-100k-{layout}")
            value = part and part.ratio(over, under)
            yield Aim(f"100k accounts, {LAYOUTS[layout]}: {what}", f"≤ {limit} ×", value, limit, times(value))


def _peers(parts: Parts) -> Iterator[Aim]:
    part = parts.get("octodns")
    value = part and part.ratio("full-yaml", "cold")
    yield Aim("octoDNS, 10k, the same work: how many times our cold plan", "≥ 20 ×", value, 20, times(value), True)


def _growth(parts: Parts) -> Iterator[Aim]:
    for layout in LAYOUTS:
        small, large = (_per_account(parts.get(f"plan-{size}-{layout}")) for size in ("10k", "1M"))
        value = large / small if small and large else None
        what = f"{LAYOUTS[layout]}: cost of a cold plan per account at 1M, against 10k"
        yield Aim(what, "≤ 1.3 ×", value, 1.3, times(value))


def _per_account(part: Part | None) -> float | None:
    cold = part and part.value("cold")
    return cold / part.facts["accounts"] if part and cold else None


def _memory(parts: Parts) -> Iterator[Aim]:
    for layout in LAYOUTS:
        part = parts.get(f"plan-1M-{layout}")
        peaks = [peak for name in ("cold", "warm", "changed") if part and (peak := part.memory(name)) is not None]
        value = max(peaks, default=None)
        text = "not measured" if value is None else f"{value:,.0f} MiB"
        yield Aim(f"1M accounts, {LAYOUTS[layout]}: peak memory of a plan", "≤ 400 MiB", value, 400, text)


def _start(parts: Parts) -> Aim:
    part = parts.get("startup")
    value = part and part.ratio("help", "bare")
    return Aim("`reconciler --help` against a bare `python -c pass`", "≤ 3 ×", value, 3, times(value))


def times(value: float | None) -> str:
    """A ratio with three figures that count."""
    if value is None:
        return "not measured"
    return f"{value:,.0f} ×" if value >= 100 else f"{value:.3g} ×"
