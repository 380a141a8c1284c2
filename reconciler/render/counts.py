"""The numbers of a plan, counted from what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from reconciler.instants import Minute
from reconciler.operations import BY_ACTION, OPERATIONS
from reconciler.plan import IMPACTS, TAKING, Plan, Window
from reconciler.render.words import plan_minute

Windows: TypeAlias = "tuple[Window, ...] | None"

_KEEP: Final = "neutral"
_WORST_LAST: Final = (_KEEP, "extend", "grant", "shorten", "revoke")


@dataclass(frozen=True, slots=True)
class Readers:
    """How many readers gain, lose, keep or get another access. An account with steps is one, by the worst of them."""

    gain: int = 0
    longer: int = 0
    lose: int = 0
    shorter: int = 0
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """The headline. ``calls`` has each action that occurs, in the order of the operations, ``impacts`` every impact."""

    steps: int
    calls: tuple[tuple[str, int], ...]
    readers: Readers
    impacts: tuple[tuple[str, int], ...]
    taking: int
    irreversible: int
    unchanged: int
    adopted: int
    unmanaged: int
    deferred: int
    blocked: int
    warnings: int


def count_plan(plan: Plan, outcomes: Mapping[str, str]) -> Counts:
    """The headline of ``plan``, whose accounts are counted by their `outcomes_of`."""
    calls = Counter(step.action if step.action in BY_ACTION else "other" for step in plan.steps)
    impacts = Counter(step.impact for step in plan.steps)
    order = [operation.action for operation in OPERATIONS] + ["other"]
    return Counts(
        steps=len(plan.steps),
        calls=tuple((action, calls[action]) for action in order if calls[action]),
        readers=_readers(outcomes),
        impacts=tuple((impact, impacts[impact]) for impact in IMPACTS),
        taking=sum(step.impact in TAKING for step in plan.steps),
        irreversible=sum(not step.reversible for step in plan.steps),
        unchanged=_number(plan, "unchanged"),
        adopted=_number(plan, "adopted"),
        unmanaged=len(plan.unmanaged),
        deferred=len(plan.deferred),
        blocked=len(plan.blocked),
        warnings=len(plan.warnings),
    )


def outcomes_of(plan: Plan) -> dict[str, str]:
    """The impact that each account with steps is counted under: the worst of its products'."""
    products: dict[tuple[str, str | None, str | None], set[str]] = {}
    worst: dict[str, str] = {}
    for step in plan.steps:
        worst.setdefault(step.account_id, _KEEP)
        products.setdefault((step.account_id, step.product_id, step.user_product_id), set()).add(step.impact)
    windows = {
        (account.account_id, product.product_id, product.user_product_id): (product.before, product.after)
        for account in plan.accounts
        for product in account.user_products
    }
    now = plan_minute(plan)
    for key, impacts in products.items():
        impact = max(impacts, key=_severity)
        if impact == "shorten" and "grant" in impacts and key in windows and not _loses(*windows[key], now):
            # Reactivated first, then limited: the reader still ends up with more than before.
            impact = "grant"
        worst[key[0]] = max(worst[key[0]], impact, key=_severity)
    return worst


def _number(plan: Plan, name: str) -> int:
    value = plan.summary.get(name)
    return value if isinstance(value, int) else 0


def _readers(outcomes: Mapping[str, str]) -> Readers:
    found = Counter(outcomes.values())
    return Readers(
        gain=found["grant"],
        longer=found["extend"],
        lose=found["revoke"],
        shorter=found["shorten"],
        keep=found[_KEEP],
    )


def _severity(impact: str) -> int:
    return _WORST_LAST.index(impact) if impact in _WORST_LAST else len(_WORST_LAST)


def _loses(before: Windows, after: Windows, now: Minute) -> bool:
    """True if a minute of ``before`` from ``now`` on isn't in ``after``; what isn't known might be."""
    if before is None or after is None:
        return True
    left = [window for window in before if window[1] is None or window[1] > now]
    return not all(any(_covers(new, old, now) for new in after) for old in left)


def _covers(outer: Window, inner: Window, now: Minute) -> bool:
    starts = max(outer[0] or now, now) <= max(inner[0] or now, now)
    return starts and (outer[1] is None or (inner[1] is not None and inner[1] <= outer[1]))
