"""The state table: what a declared state asks for, given the known one.

One table, read by the planner, by ``explain``, by the docs and by the tests. The words are Payway's
(pages "Update" and "Reactivate payway provisioned subscription"): *cancelled* is ended by the reader with
the term still running, *deactivated* is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from reconciler.instants import Minute
from reconciler.model import DeclaredProduct, KnownProduct


class Standing(Enum):
    """Where a known product stands at the moment of the plan."""

    ACTIVATED = "activated"
    PENDING = "pending"
    DEACTIVATED = "deactivated"
    CANCELLED = "cancelled, term running"
    LAPSED = "cancelled, term over"
    ENDED = "ran out as it should"
    FROZEN = "frozen"
    OTHER = "another word"
    UNKNOWN = "not known"


class Move(Enum):
    """What the table asks for."""

    NOTHING = "nothing"
    UPDATE = "update"
    REACTIVATE = "reactivate"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Transition:
    """One cell: the move, whether an `update` that is due may hold ``state``, and the rule to report.

    ``rule`` is a warning, or for `Move.BLOCK` the block.
    """

    move: Move
    sends_state: bool = True
    rule: str | None = None


#: No state declared: the state isn't managed.
UNDECLARED: Final = Transition(Move.NOTHING, sends_state=False)

TABLE: Final[Mapping[tuple[Standing, str], Transition]] = MappingProxyType(
    {
        (Standing.ACTIVATED, "activated"): Transition(Move.NOTHING),
        (Standing.ACTIVATED, "deactivated"): Transition(Move.UPDATE),
        (Standing.PENDING, "activated"): Transition(Move.NOTHING, sends_state=False),
        (Standing.PENDING, "deactivated"): Transition(Move.UPDATE),
        (Standing.DEACTIVATED, "activated"): Transition(Move.UPDATE),
        (Standing.DEACTIVATED, "deactivated"): Transition(Move.NOTHING),
        (Standing.CANCELLED, "activated"): Transition(Move.REACTIVATE, sends_state=False),
        (Standing.CANCELLED, "deactivated"): Transition(Move.UPDATE),
        (Standing.LAPSED, "activated"): Transition(Move.UPDATE),
        (Standing.LAPSED, "deactivated"): Transition(Move.NOTHING),
        (Standing.ENDED, "activated"): Transition(Move.NOTHING, sends_state=False, rule="ended"),
        (Standing.ENDED, "deactivated"): Transition(Move.NOTHING),
        (Standing.FROZEN, "activated"): Transition(Move.NOTHING, sends_state=False, rule="frozen"),
        (Standing.FROZEN, "deactivated"): Transition(Move.UPDATE),
        (Standing.OTHER, "activated"): Transition(Move.BLOCK, rule="unknown-state"),
        (Standing.OTHER, "deactivated"): Transition(Move.UPDATE, rule="unknown-state"),
        (Standing.UNKNOWN, "activated"): Transition(Move.UPDATE),
        (Standing.UNKNOWN, "deactivated"): Transition(Move.UPDATE),
    }
)

#: Standings in which a product is known to have access that goes on without this plan.
KEEPS_ACCESS: Final = frozenset({Standing.ACTIVATED, Standing.PENDING, Standing.FROZEN})

_PLAIN: Final = MappingProxyType(
    {
        "activated": Standing.ACTIVATED,
        "pending": Standing.PENDING,
        "deactivated": Standing.DEACTIVATED,
        "frozen": Standing.FROZEN,
    }
)


def standing(declared: DeclaredProduct, known: KnownProduct | None, now: Minute) -> Standing:
    """Where ``known`` stands at ``now``; the declared end tells whether it ran out as it should."""
    if known is None or not isinstance(known.state, str):
        return Standing.UNKNOWN
    if known.state == "cancelled":
        if not lapsed(known, now):
            return Standing.CANCELLED
        return Standing.ENDED if _ran_out(declared, known, now) else Standing.LAPSED
    plain = _PLAIN.get(known.state, Standing.OTHER)
    if plain is Standing.DEACTIVATED and _ran_out(declared, known, now):
        return Standing.ENDED
    return plain


def lapsed(known: KnownProduct, now: Minute) -> bool:
    """True for a cancelled product whose term is over: Payway has deactivated it, whatever we last heard."""
    return known.state == "cancelled" and isinstance(known.valid_to, int) and known.valid_to <= now


def transition(declared: DeclaredProduct, at: Standing) -> Transition:
    """The cell of the table for a declared product."""
    return UNDECLARED if declared.state is None else TABLE[at, declared.state]


def _ran_out(declared: DeclaredProduct, known: KnownProduct, now: Minute) -> bool:
    if not isinstance(known.valid_to, int) or known.valid_to > now:
        return False
    return declared.valid_to is None or declared.valid_to.minute == known.valid_to
