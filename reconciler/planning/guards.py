"""The limits that a plan must keep (contract, section 7): how much may change before a person must say so.

A limit is a number, a percent of the products in scope (rounded up, never below 1), or a list of these of
which the smallest holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from reconciler.errors import InvalidInput
from reconciler.plan import Refusal

Limit: TypeAlias = "int | str | list[int | str]"

#: The limits of a fresh installation.
DEFAULTS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        "revoked": ["10%", 50],
        "changed": ["50%", 5000],
        "adopted": 0,
        "reactivated": 10,
        "blocked": "1%",
        "protected": 0,
        "stale_known": 0,
    }
)

#: What each guard has found, for people: of one, and of several. A percent puts ``of SCOPE`` behind the number.
MEANINGS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "revoked": (
            "{} product would lose access or get a shorter one",
            "{} products would lose access or get a shorter one",
        ),
        "changed": (
            "{} product, or account with a sync, would be changed",
            "{} products, or accounts with a sync, would be changed",
        ),
        "adopted": ("nothing is known of {} product", "nothing is known of {} products"),
        "reactivated": (
            "{} reader's own cancellation would be taken back",
            "{} readers' own cancellations would be taken back",
        ),
        "blocked": ("{} product or sync is blocked", "{} products or syncs are blocked"),
        "protected": ("{} protected product would lose access", "{} protected products would lose access"),
        "stale_known": (
            "what is known of {} account is older than max_age",
            "what is known of {} accounts is older than max_age",
        ),
    }
)

#: Limits that a percent never makes smaller than this.
_FLOORS: Final = MappingProxyType({"blocked": 5})

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")


@dataclass(frozen=True, slots=True)
class _Allowed:
    """One limit as a count; ``text`` is how it was written."""

    count: int
    text: str
    percent: bool


def check_limits(limits: Mapping[str, Limit]) -> None:
    """Raise `InvalidInput` for a guard that doesn't exist or a limit that means nothing."""
    problems = [f"[guards] {name}: there is no such guard" for name in limits if name not in DEFAULTS]
    for name, limit in limits.items():
        try:
            _allowed(name, limit, scope=1)
        except ValueError as error:
            problems.append(f"[guards] {name}: {error}")
    if problems:
        raise InvalidInput(
            "the guards can't be used",
            details=problems,
            hint=f'guards are {", ".join(DEFAULTS)}; a limit is a number, a percent such as "10%", or a list of these',
        )


def judge(
    found: Mapping[str, int], *, scope: int, limits: Mapping[str, Limit], accepted: frozenset[str]
) -> tuple[Refusal, ...]:
    """The guards that are exceeded. ``found`` has a count for each guard, ``scope`` is the products in scope."""
    refusals = []
    for name, default in DEFAULTS.items():
        count = found.get(name, 0)
        allowed = _allowed(name, limits.get(name, default), scope=scope)
        if count <= allowed.count:
            continue
        share = f"{_share(count, scope)}%" if allowed.percent else str(count)
        one, several = MEANINGS[name]
        # The noun is counted by what stands right before it: 1 product, but 1 of 4 products.
        number = f"{count:,} of {scope:,}" if allowed.percent else f"{count:,}"
        counted = (several if (scope if allowed.percent else count) != 1 else one).format(number)
        most = f"at most {allowed.count:,} allowed" if allowed.count else "none allowed"
        refusals.append(Refusal(name, allowed.text, share, name in accepted, f"{counted}, {most}"))
    return tuple(refusals)


def _allowed(name: str, limit: Limit, *, scope: int) -> _Allowed:
    if isinstance(limit, list):
        if not limit:
            raise ValueError("an empty list is no limit")
        return min((_allowed(name, one, scope=scope) for one in limit), key=lambda allowed: allowed.count)
    if isinstance(limit, bool) or not isinstance(limit, int | str):
        raise ValueError(f"{limit!r} is neither a number nor a percent")
    if isinstance(limit, int):
        if limit < 0:
            raise ValueError(f"{limit} is below zero")
        return _Allowed(limit, str(limit), percent=False)
    match = _PERCENT.fullmatch(limit)
    if match is None or float(match[1]) > 100:
        raise ValueError(f'{limit!r} is no percent such as "10%"')
    # In ten thousandths, so that no rounding error of a float can lift a limit by one.
    parts = round(float(match[1]) * 10_000)
    count = -(-scope * parts // 1_000_000)
    return _Allowed(max(count, _FLOORS.get(name, 1)), limit, percent=True)


def _share(count: int, scope: int) -> int:
    return 100 if scope == 0 else math.ceil(100 * count / scope)
